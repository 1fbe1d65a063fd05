// Package soak holds two sidecars in all the weather at once, for as long as
// one likes, and holds them to the same as on a fine day: the sums of
// conversions are exact, each spike is told once, nothing else is told, and
// neither memory nor goroutines grow.
//
//	go test -tags soak -timeout 40m -v ./deploy/soak                  # 20 minutes
//	go test -tags soak -timeout 40m -v ./deploy/soak -soak.for 2m -soak.seed 7
//
// It is no part of .ci/run. What befalls whom when is drawn from a seed, which
// the test tells; the moments at which the processes meet it are not.
package soak
