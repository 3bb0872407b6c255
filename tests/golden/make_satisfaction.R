# Rscript make_satisfaction.R: writes satisfaction.csv and satisfaction_data.csv
# Made with R 4; MASS (polr), nlme (lme), sandwich (vcovCL) and the data set swiss.
# Shares: Groemping (2006), lmg over all orders; Johnson (2000), by the formulas below.
library(MASS); library(nlme); library(sandwich)
out <- data.frame(what = character(), term = character(), estimate = numeric(), se = numeric())
add <- function(what, term, estimate, se = NA) out <<- rbind(out, data.frame(what, term, estimate, se))
x <- as.matrix(swiss[, -1]); y <- swiss$Fertility; p <- ncol(x)
r2 <- function(s) if (length(s)) summary(lm(y ~ x[, s]))$r.squared else 0
orders <- function(v) if (length(v) < 2) list(v) else
  unlist(lapply(seq_along(v), function(i) lapply(orders(v[-i]), function(o) c(v[i], o))), FALSE)
lmg <- rep(0, p); every <- orders(1:p)
for (o in every) for (i in 1:p) lmg[o[i]] <- lmg[o[i]] + (r2(o[1:i]) - r2(o[seq_len(i - 1)])) / length(every)
add("lmg", colnames(x), lmg)
e <- eigen(cor(x)); half <- e$vectors %*% diag(sqrt(e$values)) %*% t(e$vectors)
add("relative weight", colnames(x), as.vector(half^2 %*% (solve(half) %*% cor(x, y))^2))
# Answers of customers who answer repeatedly, on a scale of 5
set.seed(6)
n <- 240; who <- rep(1:80, each = 3); a <- sample(1:5, n, TRUE); b <- pmin(5, pmax(1, a + sample(-2:2, n, TRUE)))
z <- 0.6 * a + 0.3 * b + rep(rnorm(80), each = 3) + rnorm(n)
score <- as.integer(cut(z, quantile(z, c(0, .2, .4, .6, .8, 1)), include.lowest = TRUE))
d <- data.frame(who, a, b, score)
write.csv(d, "satisfaction_data.csv", row.names = FALSE, quote = FALSE)
f <- polr(factor(score) ~ a + b, d, Hess = TRUE)
s <- sqrt(diag(vcov(f)))
add("polr", names(coef(f)), coef(f), s[1:2]); add("polr", names(f$zeta), f$zeta, s[3:6])
g <- glm(I(score > 3) ~ a + b, binomial, d, control = list(epsilon = 1e-14))
add("logit", c("a", "b"), coef(g)[-1], sqrt(diag(vcovCL(g, ~who, type = "HC0")))[-1])
l <- lm(score ~ a + b, d)
add("lm", names(coef(l)), coef(l), sqrt(diag(vcovCL(l, ~who, type = "HC1"))))
m <- lme(score ~ a + b, random = ~ 1 | who, d, method = "REML",
         control = lmeControl(tolerance = 1e-10, msTol = 1e-12))
add("lme", names(fixef(m)), fixef(m), sqrt(diag(vcov(m))))
add("lme", c("between", "within"), as.numeric(VarCorr(m)[, "StdDev"]))
out$estimate <- signif(out$estimate, 12); out$se <- signif(out$se, 12)
write.csv(out, "satisfaction.csv", row.names = FALSE, quote = FALSE)
write.csv(swiss, "swiss.csv", row.names = FALSE, quote = FALSE)
