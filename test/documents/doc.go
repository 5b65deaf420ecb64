// Package documents holds README.md and docs against the truth: their links lead
// somewhere, their commands run, and the schemas of docs/events judge records as the
// programs do.
package documents
