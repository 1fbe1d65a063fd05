// Package browser tests the Webhooks page as people meet it: in Chromium,
// against the built sidecar with real engines, the stand-in for Plausible, the
// devstack's proxy in front and a receiver that records.
//
// Remit: what only a browser can tell. What a person can do there, from
// signing in to its end, by mouse and by keyboard; that the page's own policy
// lets everything of it work; that it fits a telephone; and what axe-core finds.
// Its limit: what a request alone can tell is tested beside the code
// (config/settings and below it).
//
//	go test ./deploy/browser -run TestInChromium
//
// writes a picture of every page that a journey comes to into screenshots/,
// for a person to look at; the folder is ignored. Without a browser, which is
// one of chromium, chromium-browser or google-chrome, the tests are skipped,
// unless CI is set.
package browser
