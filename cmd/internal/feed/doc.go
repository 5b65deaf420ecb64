// Package feed puts things into the topics: activities and profiles from files
// of JSON lines, the catalog from a YAML file.
package feed
