// Package receiver is a webhook receiver for tests and for a person who tries
// things out: it records every request and can be told, for each path, how to
// answer: to fail a few times, to hang, to redirect, to be slow or odd.
//
// It listens on loopback with HTTP and with HTTPS. The certificate comes from
// a certificate authority that is made anew at each start; CAFile writes it
// down for WEBHOOKS_CA_FILE.
//
// It does not verify signatures: whoever reads the requests does, with a
// library that is not ours.
package receiver
