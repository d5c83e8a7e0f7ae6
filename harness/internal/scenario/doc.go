// Package scenario reads an experiment from strict YAML: what to build, how to
// load it, what to break, and the stages that change it step by step.
//
// A file has a base (topology, gateway, lb, origin, entities, workload, load,
// faults, slo) and stages, each an overlay on all before it. A profile is an
// overlay that goes on top of every stage, last; under "stages" it may have
// overlays for single ones. Overlays merge maps deeply and replace scalars and
// lists. Only entities' lists merge: services, routes and upstreams by name,
// consumers by username; a plugin that is named again replaces the one before.
//
// A file may lie on another one: "base" names it and "stage" the stage of it
// that lies under everything here, resolved under the profile of the same name.
// Such a file needs no stages of its own; it then has one, named after itself.
//
// What is broken is in "faults", each at its time, once or every so often, and
// in "random", drawn from the seed; Stage.Schedule makes one list of both.
//
// Every mistake is told as "file:line:column: path: what is wrong: want what is
// allowed", with the place in the file where the value was written.
package scenario
