package lab

// Without is what a lab starts of its specs.
var Without = without
