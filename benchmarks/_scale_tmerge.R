# Build the timeline with tmerge and fit coxph. Arguments: folder, customers, changes,
# touchpoints, attributes. Prints each stage with its seconds and rows; writes "coef" (and
# standard errors) as doubles. Columns come and go without names, in the order they were sent.
library(survival)
words <- commandArgs(TRUE)
folder <- words[1]
n <- as.integer(words[-1])
doubles <- function(name, rows, columns) {
  matrix(readBin(file.path(folder, name), "double", rows * columns), rows, columns)
}
told <- function(stage, started, rows) {
  cat(stage, proc.time()[["elapsed"]] - started, rows, "\n")
  proc.time()[["elapsed"]]
}
now <- proc.time()[["elapsed"]]
people <- as.data.frame(doubles("people", n[1], 5 + n[4]))
attributes <- paste0("a", seq_len(n[4]))
names(people) <- c("who", "entry", "exit", "started", "event", attributes)
people$begin <- people$entry - people$started
people$end <- people$exit - people$started
changes <- as.data.frame(doubles("changes", n[2], 2 + 2 * n[3]))
exposures <- paste0("x", seq_len(2 * n[3]))
names(changes) <- c("who", "time", exposures)
now <- told("read", now, n[2])
frame <- tmerge(people[c("who", attributes)], people, id = who, tstart = begin, tstop = end,
                left = event(end, event))
added <- paste0(exposures, " = tdc(time, ", exposures, ", 0)", collapse = ", ")
frame <- eval(parse(text = paste0("tmerge(frame, changes, id = who, ", added, ")")))
now <- told("tmerge", now, nrow(frame))
formula <- reformulate(c(attributes, exposures), quote(Surv(tstart, tstop, left)))
fitted <- coxph(formula, frame, ties = "efron")
now <- told("coxph", now, nrow(frame))
writeBin(c(coef(fitted), sqrt(diag(vcov(fitted)))), file.path(folder, "coef"))
