// Package deploy tests what lies in the directory deploy: that the image runs, that
// the composition holds together and that the chart is what a cluster takes.
package deploy
