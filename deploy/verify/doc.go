// Package verify holds the examples of verifying a signature that README
// shows: each is run in a test, and the test compares README with it. Another
// test has programs that others wrote verify what the real sender sends.
package verify
