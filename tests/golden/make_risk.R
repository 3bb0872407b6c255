# Net benefit (Vickers and Elkin 2006) with inverse-probability-of-censoring weights, calibration
# by two groups, and the population stability index, written out on survival's Kaplan-Meier.
# Run in this folder: Rscript make_risk.R
library(survival)
d <- read.csv("discrimination_rows.csv")
until <- 180
gone <- d$cause == 0
at <- ifelse(gone, d$time, d$time - 0.001) # who ends in a month does so before others are lost
km <- survfit(Surv(at, gone) ~ 1, weights = d$weight)
before <- function(t) c(1, km$surv)[findInterval(t - 0.0015, km$time) + 1]
ended <- d$cause > 0 & d$time <= until
w <- ifelse(ended, 1 / before(d$time), ifelse(d$time >= until, 1 / before(until), 0)) * d$weight
y <- as.numeric(ended & d$cause == 1)
p <- plogis(-3 + 0.8 * d$mspike)
n <- sum(w)
told <- do.call(rbind, lapply(c(0.05, 0.1, 0.2), function(t) {
  act <- p >= t
  data.frame(
    threshold = t,
    net_benefit = sum(w * y * act) / n - t / (1 - t) * sum(w * (1 - y) * act) / n,
    all = sum(w * y) / n - t / (1 - t) * sum(w * (1 - y)) / n,
    reached = sum(w * act) / n,
    came = sum(w * y * act) / sum(w * act)
  )
}))
a <- table(cut(d$age[1:200], c(0, 60, 70, 80, 200))) / 200
b <- table(cut(d$age[201:400], c(0, 60, 70, 80, 200))) / 200
told$stability <- sum((b - a) * log(b / a))
write.csv(told, "risk.csv", row.names = FALSE)
