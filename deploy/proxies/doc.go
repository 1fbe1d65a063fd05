// Package proxies tests the snippets of deploy/caddy and deploy/nginx with the
// proxies themselves, from Debian's packages, in front of the stand-in for
// Plausible and of the sidecar's own server.
//
// The files are taken as they are: only addresses and ports, which an operator
// may set too, are others. What they must do is one list of requests, the same
// for each proxy, with the sidecar running, answering 502, stopped and hung.
package proxies
