// Package standin has our own programs for machines on which a server cannot be
// had: a Redis in memory and a load balancer. They do what a lab needs of the
// real ones; a result that was measured with them says so.
package standin
