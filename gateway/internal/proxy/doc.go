// Package proxy is the data plane: it finds a request's route, runs the chain,
// asks the upstream and answers, all on one immutable snapshot of the
// configuration that is swapped as a whole.
package proxy
