# Rscript make_experience.R > experience.csv
# Made with R 4, survival and sandwich. Answers of customers, hanging together; and waits.
library(sandwich)
library(survival)
row <- function(what, ...) cat(paste(c(what, format(c(...), digits = 12)), collapse = ","), "\n", sep = "")
cat("what,estimate,se,low,high\n")
who <- c(1,1,2,3,3,3,4,5,6,6,7,8,9,10,10)
y <- c(1,0,1,0,0,1,1,0,1,1,0,1,0,0,1)
m <- lm(y ~ 1)
row("share", coef(m), sqrt(vcovCL(m, cluster = ~who, type = "HC0", cadjust = TRUE)), NA, NA)
# NPS, nobody answers twice: the multinomial variance of 10, 9, 3, 7, 8, 10, 2, 9, 6, 10, 5, 9
s <- c(10,9,3,7,8,10,2,9,6,10,5,9)
p <- mean(s >= 9); q <- mean(s <= 6)
row("nps", 100 * (p - q), 100 * sqrt((p + q - (p - q)^2) / length(s)), NA, NA)
t <- c(5,8,8,12,15,20,20,31,40,41,50,60); e <- c(1,1,0,1,1,1,0,1,0,1,1,0)
f <- survfit(Surv(t, e) ~ 1, conf.type = "log-log")
for (at in c(8, 20, 41)) {
  u <- summary(f, times = at)
  row(paste("waited", at), 1 - u$surv, u$std.err, 1 - u$upper, 1 - u$lower)
}
