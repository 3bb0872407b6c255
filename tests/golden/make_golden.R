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

# Mancl and DeRouen (2001): D' V^-1 (I - H)^-1 r summed by cluster. sandwich::vcovCL(type = "HC3")
# has H transposed where weights differ within a cluster.
mancl_derouen <- function(fit, cluster) {
  X <- model.matrix(fit)
  w <- weights(fit, "working")
  u <- w * residuals(fit, "working")
  bread <- solve(crossprod(X * sqrt(w)))
  scores <- sapply(split(seq_along(u), cluster), function(g) {
    H <- w[g] * (X[g, , drop = FALSE] %*% bread %*% t(X[g, , drop = FALSE]))
    crossprod(X[g, , drop = FALSE], solve(diag(length(g)) - H, u[g]))
  })
  (1 - 1 / ncol(scores)) * bread %*% tcrossprod(scores) %*% bread
}

rows <- NULL
for (link in c("logit", "cloglog")) {
  # glm() has no step halving and diverges for cloglog with this offset: there, none.
  shift <- if (link == "logit") data$offset else rep(0, nrow(data))
  fit <- glm(event ~ age + year + surgery + transplant, offset = shift,
             family = binomial(link), data = data,
             control = glm.control(epsilon = 1e-14, maxit = 100))
  v <- mancl_derouen(fit, data$id)
  stopifnot(all(abs(sqrt(diag(vcovCL(fit, data$id, type = "HC3", cadjust = FALSE) / v)) - 1) < .03))
  rows <- rbind(rows, data.frame(link = link, term = names(coef(fit)),
    coef = round_trip(coef(fit)), robust_se = round_trip(sqrt(diag(v))),
    log_likelihood = round_trip(as.numeric(logLik(fit)))))
}
write.csv(rows, "tests/golden/hazard.csv", row.names = FALSE)

# The heart rows with weights, as answers weighted for those who are silent.
# quasibinomial: weights that are no counts; its dispersion leaves the sandwich as it is.
data$weight <- 0.4 + (seq_len(nrow(data)) * 7) %% 5 / 3
rows <- NULL
for (link in c("logit", "cloglog")) {
  fit <- glm(event ~ age + year + surgery + transplant, offset = rep(0.7, nrow(data)),
             family = quasibinomial(link), data = data, weights = weight,
             control = glm.control(epsilon = 1e-14, maxit = 100))
  v <- mancl_derouen(fit, data$id)
  rows <- rbind(rows, data.frame(link = link, term = names(coef(fit)),
    coef = round_trip(coef(fit)), robust_se = round_trip(sqrt(diag(v)))))
}
write.csv(rows, "tests/golden/weighted.csv", row.names = FALSE)

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

# Made-up spells: late entry, ties, two causes, returning customers, three groups.
trimmed <- function(x) trimws(round_trip(x))
set.seed(7)
n <- 240
s <- data.frame(customer = sample(1:190, n, replace = TRUE), group = sample(c("a", "b", "c"), n,
                replace = TRUE, prob = c(.5, .3, .2)))
s$entry <- ifelse(runif(n) < .4, floor(runif(n, 1, 12)), 0)
frailty <- exp(rnorm(190, 0, .5))[s$customer] * ifelse(s$group == "b", 1.6, 1)
s$exit <- s$entry + ceiling(rexp(n, .06 * frailty))
s$cause <- sample(0:2, n, replace = TRUE, prob = c(.3, .5, .2))
s$cause[s$exit > 30] <- 0
s$exit <- pmin(s$exit, 30)
write.csv(s, "tests/golden/spells.csv", row.names = FALSE)
at <- c(1, 5, 12, 24)
tidy <- function(what, fit, estimate, se, low = NA_real_, high = NA_real_) data.frame(
  what = what, tenure = at, estimate = trimmed(estimate), se = trimmed(se),
  conf_low = trimmed(low), conf_high = trimmed(high))
curve <- function(what, fit) {
  f <- summary(fit, times = at)
  q <- quantile(fit, .5)
  rbind(tidy(what, fit, f$surv, f$std.err, f$lower, f$upper),
        data.frame(what = paste(what, "median"), tenure = NA, estimate = trimmed(q$quantile),
                   se = NA, conf_low = trimmed(q$lower), conf_high = trimmed(q$upper)))
}
s$row <- seq_len(n)
states <- survfit(Surv(entry, exit, factor(cause)) ~ 1, data = s, id = row)
f <- summary(states, times = at)
mean_of <- function(what, data) {  # Greenwood's variance of the area under the curve
  m <- summary(survfit(Surv(exit, cause == 1) ~ 1, data = data), rmean = 20)$table
  data.frame(what = what, tenure = 20, estimate = trimmed(m[["rmean"]]),
             se = trimmed(m[["se(rmean)"]]), conf_low = NA, conf_high = NA)
}
out <- rbind(curve("curve", survfit(Surv(entry, exit, cause == 1) ~ 1, data = s,
                                    conf.type = "log-log")),
             curve("curve by customer", survfit(Surv(entry, exit, cause == 1) ~ 1, data = s,
                                                conf.type = "log-log", cluster = customer)),
             tidy("incidence 1", f, f$pstate[, 2], f$std.err[, 2]),
             tidy("incidence 2", f, f$pstate[, 3], f$std.err[, 3]),
             mean_of("mean", s))
write.csv(out, "tests/golden/curves.csv", row.names = FALSE)
score <- function(what, statistic) data.frame(what = what, statistic = trimmed(statistic))
s$apart <- s$exit + s$row / 1e4  # no ties: Breslow's score test is then the log-rank test
entry <- coxph(Surv(entry, apart, cause == 1) ~ group, data = s, ties = "breslow")
robust <- coxph(Surv(entry, apart, cause == 1) ~ group, data = s, ties = "breslow",
                cluster = customer)
plain <- survdiff(Surv(exit, cause == 1) ~ group, data = s)
write.csv(rbind(score("survdiff without entry", plain$chisq), score("entry", entry$score),
                score("entry, by customer", robust$rscore)),
          "tests/golden/logrank.csv", row.names = FALSE)

# The same spells by group: restricted means (survRM2's rmst2 takes their difference just so: each
# group's Greenwood variance, added up), incidences with both causes, and a Cox trend.
g <- c("a", "b", "c")
m <- summary(survfit(Surv(exit, cause == 1) ~ group, data = s), rmean = 20)$table
means <- data.frame(what = "mean", group = g, estimate = trimmed(m[, "rmean"]),
                    se = trimmed(m[, "se(rmean)"]))
f <- survfit(Surv(entry, exit, cause == 1) ~ group, data = s, cluster = customer)
f <- summary(f, times = 12)
stays <- data.frame(what = "share by customer", group = g, estimate = trimmed(f$surv),
                    se = trimmed(f$std.err))
both <- summary(survfit(Surv(entry, exit, factor(cause)) ~ group, data = s, id = row), times = 12)
ended <- do.call(rbind, lapply(1:2, function(k) data.frame(
  what = paste("incidence", k), group = g, estimate = trimmed(both$pstate[, k + 1]),
  se = trimmed(both$std.err[, k + 1]))))
s$value <- (s$row * 37) %% 11 / 4
fit <- coxph(Surv(entry, exit, cause == 1) ~ value, data = s, ties = "breslow", cluster = customer,
             control = coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 100))
slope <- data.frame(what = "trend", group = "all", estimate = trimmed(coef(fit)),
                    se = trimmed(sqrt(diag(vcov(fit)))))
write.csv(rbind(means, stays, ended, slope), "tests/golden/by_group.csv", row.names = FALSE)

# Shipped snapshots: Cox with strata, ties by Efron, and the test of proportional hazards
# (cox.zph of survival 3, a score test), one row a term or, with terms = TRUE, an attribute.
golden_cox <- function(name, formula, data) {
  control <- coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 100)
  fit <- do.call(coxph, list(formula, data = data, control = control))  # cox.zph reads the call
  s <- summary(fit)$coefficients
  write.csv(data.frame(term = rownames(s), coef = round_trip(s[, "coef"]),
                       se = round_trip(s[, "se(coef)"]),
                       log_likelihood = round_trip(fit$loglik[2])),
            sprintf("tests/golden/cox_%s.csv", name), row.names = FALSE)
  z <- cox.zph(fit, transform = "km", terms = TRUE, global = FALSE)$table
  write.csv(data.frame(attribute = rownames(z), chi2 = round_trip(z[, "chisq"]), df = z[, "df"],
                       p = round_trip(z[, "p"])),
            sprintf("tests/golden/zph_%s.csv", name), row.names = FALSE)
}
saas <- read.csv("data/saas/customers.csv", stringsAsFactors = TRUE)
golden_cox("saas", Surv(months_active, churned) ~ csat_score + minutes_customer_support +
             product_payroll + strata(product_accounting), saas)
telco <- read.csv("data/telco/customers.csv", stringsAsFactors = TRUE)
golden_cox("telco", Surv(tenure, churn == "Yes") ~ partner + contract + payment_method +
             paperless_billing + strata(internet_service), telco)

# Partial pooling: the eight schools (Rubin 1981) and three correlated estimates. Another way
# than cxlab's: tau's likelihood from contrasts of the estimates, and effects and mean jointly
# by their precision matrix, integrated over tau by quadrature.
pooling <- function(name, b, V, scale) {
  k <- length(b)
  C <- cbind(diag(k - 1), -1)
  loglik <- function(tau) {
    S <- C %*% (V + tau^2 * diag(k)) %*% t(C)
    d <- C %*% b
    -0.5 * (determinant(S)$modulus + t(d) %*% solve(S, d)) - tau^2 / (2 * scale^2)
  }
  top <- optimize(function(t) loglik(t), c(0, 6 * scale), maximum = TRUE)$objective
  given <- function(tau) {
    W <- solve(V)
    P <- rbind(cbind(W + diag(k) / tau^2, -1 / tau^2), c(rep(-1 / tau^2, k), k / tau^2))
    list(mean = solve(P, c(W %*% b, 0)), var = diag(solve(P)))
  }
  over <- function(f) integrate(Vectorize(function(t) exp(loglik(t) - top) * f(t)), 1e-6,
                                min(6 * scale, 400), rel.tol = 1e-9, subdivisions = 2000)$value
  total <- over(function(t) 1)
  rows <- NULL
  for (j in 1:(k + 1)) {
    m <- over(function(t) given(t)$mean[j]) / total
    s <- over(function(t) given(t)$var[j] + given(t)$mean[j]^2) / total
    q <- sapply(c(.025, .975), function(p) uniroot(function(x)
      over(function(t) pnorm(x, given(t)$mean[j], sqrt(given(t)$var[j]))) / total - p,
      m + c(-8, 8) * sqrt(s - m^2), tol = 1e-8)$root)
    rows <- rbind(rows, data.frame(case = name, term = if (j > k) "mean" else paste0("b", j),
      estimate = trimmed(m), se = trimmed(sqrt(s - m^2)), low = trimmed(q[1]),
      high = trimmed(q[2])))
  }
  rbind(rows, data.frame(case = name, term = "tau", estimate = trimmed(over(identity) / total),
                         se = NA, low = NA, high = NA))
}
schools <- pooling("schools", c(28, 8, -3, 7, -1, 1, 18, 12),
                   diag(c(15, 10, 16, 11, 9, 11, 10, 18)^2), 1e4)
V <- matrix(c(.04, .01, .005, .01, .09, .01, .005, .01, .25), 3)
write.csv(rbind(schools, pooling("three", c(.9, .3, 1.4), V, .5)), "tests/golden/pooling.csv",
          row.names = FALSE)
