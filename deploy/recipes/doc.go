// Package recipes tests the Dockerfile and the compose files of deploy with the
// parsers of the tools that read them: BuildKit's and Docker Compose's own.
//
// No image can be pulled everywhere that tests run. So the image is built as
// the Dockerfile says with the machine standing in for its first base image
// (Go, git, certificates), and what comes of it is run like a container: its
// files alone and read-only, another user, no privilege.
//
// It is a module of its own, so that these parsers are no dependency of the
// sidecar.
package recipes
