// Package limit counts requests in windows and says which may pass. A Rule
// counts in this process alone, in Redis on every request (exact over all
// replicas), in Redis by leases (exact, and most requests do not ask), or in
// this process with the counts exchanged through Redis every so often.
//
// What holds in every mode:
//
//   - Of all the windows of a rule, a request counts in each or in none, and a
//     refused request counts nowhere.
//   - In one counter, never more than the limit is granted: in Redis over all
//     replicas, whose clocks do not matter, since Redis' own names the window;
//     locally within the process. Exchanged counts alone may exceed it.
//   - Memory is bounded, and every counter ends: a local one is dropped soon
//     after its windows are over, one in Redis has an expiry from the start.
//   - No request waits for a dead Redis longer than Config.Timeout, or at all once
//     its breaker is open.
package limit
