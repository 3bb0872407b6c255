# Group-time effects by hand, and segmented regression, for tests/models/test_group_time.py and
# tests/models/test_interrupted.py. Run in this folder: Rscript make_interventions.R
# R 4; sandwich for NeweyWest. Package did is not used: each 2x2 is written out.
library(sandwich)
set.seed(20)

# -- 60 customers, 6 periods, reached in period 3, in period 5, or never ------------------------
n <- 60; periods <- 6
g <- rep(c(3, 5, Inf), each = 20)
own <- rnorm(n)
d <- expand.grid(id = 1:n, t = 1:periods)
d$g <- g[d$id]
d$x <- rpois(nrow(d), 6) + 1
p <- plogis(-1 + 0.4 * own[d$id] + 0.1 * d$t - ifelse(d$t >= d$g, 0.3 * (d$t - d$g + 1), 0))
d$y <- rbinom(nrow(d), d$x, p)
out <- d; out$g[is.infinite(out$g)] <- 0
write.csv(out[order(out$id, out$t), c("id", "g", "t", "y", "x")], "group_time_data.csv",
          row.names = FALSE)
Y <- matrix(d$y[order(d$id, d$t)], n, byrow = TRUE)
X <- matrix(d$x[order(d$id, d$t)], n, byrow = TRUE)

# Callaway and Sant'Anna's ATT(g,t), base period g - 1, of y as it is: differences of differences.
# With customers never reached, the standard error is Welch's.
rows <- list()
for (cohort in c(3, 5)) for (t in 1:periods) if (t != cohort - 1) {
  delta <- Y[, t] - Y[, cohort - 1]
  for (who in c("never", "notyet")) {
    control <- if (who == "never") is.infinite(g) else g > max(t, cohort - 1) & g != cohort
    test <- t.test(delta[g == cohort], delta[control])
    rows[[length(rows) + 1]] <- data.frame(what = paste("att", cohort, t, who),
      value = mean(delta[g == cohort]) - mean(delta[control]), se = test$stderr)
  }
}

# The same on ratios: what came over what would have come, over all periods after the starts, all
# periods before as base; controls not yet reached. Variance: the derivative by each customer's
# weight, by central differences, squared and summed.
theta <- function(w, scale) {
  came <- 0; would <- 0; under <- 0
  for (cohort in c(3, 5)) for (t in cohort:periods) {
    before <- 1:(cohort - 1)
    mine <- g == cohort; control <- g > t
    R <- function(who, when) sum(w[who] * Y[who, when]) / sum(w[who] * X[who, when])
    out.of <- sum(w[mine] * X[mine, t])
    would <- would + out.of * (if (scale == "ratio")
      R(mine, before) * R(control, t) / R(control, before) else
      R(mine, before) + R(control, t) - R(control, before))
    came <- came + sum(w[mine] * Y[mine, t]); under <- under + out.of
  }
  if (scale == "ratio") log(came / would) else (came - would) / under
}
for (scale in c("ratio", "difference")) {
  by <- sapply(1:n, function(i) {
    up <- down <- rep(1, n); up[i] <- 1 + 1e-4; down[i] <- 1 - 1e-4
    (theta(up, scale) - theta(down, scale)) / 2e-4
  })
  rows[[length(rows) + 1]] <- data.frame(what = paste("overall", scale),
    value = theta(rep(1, n), scale), se = sqrt(sum(by^2) * 20 / 19))
}

# -- segmented regression of 80 weeks, start at the 50th ----------------------------------------
weeks <- 80; start <- 50
t <- 0:(weeks - 1) - start
late <- as.numeric(t >= 0)
error <- as.numeric(arima.sim(list(ar = 0.5), weeks, sd = 0.15))
s <- data.frame(x = rpois(weeks, 300))
s$y <- rpois(weeks, s$x * exp(-2 + 0.002 * t - 0.3 * late - 0.004 * late * t + error))
write.csv(s, "interrupted_data.csv", row.names = FALSE)
years <- t * 7 / 365.25
for (kind in c("ratio", "difference")) {
  fit <- if (kind == "ratio")
    glm(y ~ years + late + I(late * years) + offset(log(x)), poisson, s) else
    lm(I(y / x) ~ years + late + I(late * years), s, weights = x)
  robust <- NeweyWest(fit, lag = 3, prewhite = FALSE, adjust = TRUE)
  for (i in 1:4) rows[[length(rows) + 1]] <- data.frame(
    what = paste(kind, i - 1), value = coef(fit)[i], se = sqrt(diag(robust))[i])
}
write.csv(do.call(rbind, rows), "interventions.csv", row.names = FALSE)
