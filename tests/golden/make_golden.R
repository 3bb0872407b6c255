# Makes the golden values of tests/models. Run with: Rscript tests/golden/make_golden.R
# Needs R with the packages survival and sandwich; running the tests needs no R.
library(survival)
library(sandwich)

round_trip <- function(x) formatC(x, digits = 12, format = "g")

# Stanford heart transplants (survival::heart): start-stop rows, clustered by patient.
h <- survival::heart
h$transplant <- as.integer(as.character(h$transplant))
h$offset <- log((h$stop - h$start) / 365.25)
data <- h[c("id", "event", "offset", "age", "year", "surgery", "transplant")]
write.csv(data, "tests/golden/heart.csv", row.names = FALSE)

rows <- NULL
for (link in c("logit", "cloglog")) {
  # glm() has no step halving and diverges for cloglog with this offset: there, none.
  shift <- if (link == "logit") data$offset else rep(0, nrow(data))
  fit <- glm(event ~ age + year + surgery + transplant, offset = shift,
             family = binomial(link), data = data,
             control = glm.control(epsilon = 1e-14, maxit = 100))
  v <- vcovCL(fit, cluster = data$id, type = "HC0", cadjust = TRUE)
  rows <- rbind(rows, data.frame(link = link, term = names(coef(fit)),
    coef = round_trip(coef(fit)), robust_se = round_trip(sqrt(diag(v))),
    log_likelihood = round_trip(as.numeric(logLik(fit)))))
}
write.csv(rows, "tests/golden/hazard.csv", row.names = FALSE)

# Veterans' lung cancer trial (survival::veteran): Cox, ties by Efron.
v <- survival::veteran
x <- data.frame(time = v$time, status = v$status, trt = v$trt, karno = v$karno,
                age = v$age, diagtime = v$diagtime, smallcell = as.integer(v$celltype == "smallcell"))
write.csv(x, "tests/golden/veteran.csv", row.names = FALSE)
fit <- coxph(Surv(time, status) ~ trt + karno + age + diagtime + smallcell, data = x,
             control = coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 100))
s <- summary(fit)$coefficients
write.csv(data.frame(term = rownames(s), coef = round_trip(s[, "coef"]),
                     se = round_trip(s[, "se(coef)"]), p = round_trip(s[, "Pr(>|z|)"])),
          "tests/golden/cox.csv", row.names = FALSE)
