# Areas under the time-dependent ROC curve and Brier scores with inverse-probability-of-censoring
# weights, another cause competing; written out from Blanche, Dartigues and Jacqmin-Gadda (2013)
# and Graf et al. (1999) on survival's Kaplan-Meier. Run in this folder: Rscript make_discrimination.R
library(survival)
rows <- subset(survival::mgus2, !is.na(hgb) & !is.na(mspike))[1:400, ]
# 1: progression, 2: death without it, 0: in sight to the end.
d <- data.frame(
  time = ifelse(rows$pstat == 1, rows$ptime, rows$futime),
  cause = ifelse(rows$pstat == 1, 1, ifelse(rows$death == 1, 2, 0)),
  mspike = rows$mspike, age = rows$age, weight = 1 + (seq_len(400) %% 3)
)
write.csv(d, "discrimination_rows.csv", row.names = FALSE)

auc <- function(y, w, m) {
  one <- w * y; none <- w * (1 - y)
  wins <- outer(m, m, ">") + outer(m, m, "==") / 2
  sum(outer(one, none) * wins) / (sum(one) * sum(none))
}
told <- list()
for (until in c(60, 180)) for (weighted in c(FALSE, TRUE)) {
  w <- if (weighted) d$weight else rep(1, nrow(d))
  gone <- d$cause == 0
  # Who ends in a month does so before others go out of sight in it.
  at <- ifelse(gone, d$time, d$time - 0.001)
  km <- survfit(Surv(at, gone) ~ 1, weights = w)
  before <- function(t) { # just before t
    place <- findInterval(t - 0.0015, km$time)
    c(1, km$surv)[place + 1]
  }
  ended <- d$cause > 0 & d$time <= until
  ipcw <- ifelse(ended, 1 / before(d$time),
                 ifelse(d$time >= until, 1 / before(until), 0)) * w
  y <- as.numeric(ended & d$cause == 1)
  p <- plogis(-3 + 0.8 * d$mspike)
  told[[length(told) + 1]] <- data.frame(
    until = until, weighted = weighted,
    auc_mspike = auc(y, ipcw, d$mspike), auc_age = auc(y, ipcw, d$age),
    brier = sum(ipcw * (y - p)^2) / sum(w), rate = sum(ipcw * y) / sum(ipcw)
  )
}
write.csv(do.call(rbind, told), "discrimination.csv", row.names = FALSE)
