// Package daemon is what the programs share: settings read from flags and the
// environment, the logger, signals, the admin endpoints, and the two services
// wired from the packages that do the work.
//
// A program is built in one straight line: [Parse] reads its settings and names
// every mistake at once, [NewProjector] and [NewQuery] make the services, and
// [Serve] runs them until the context of [Main] ends.
package daemon
