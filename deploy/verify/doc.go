// Package verify holds the examples of verifying a signature that README
// shows: each is run in a test, and the test compares README with it.
package verify
