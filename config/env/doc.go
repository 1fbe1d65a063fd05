// Package env turns the environment into settings (deploy/REFERENCE.md section 1).
//
// It reads, it does not act: no name is resolved, no connection opened, and
// everything it looks at comes in as a Source. Values are checked as far as
// they can be without the network; what the servers say is the check command's.
//
// Invariants:
//
//   - Every mistake is reported at once, one line each, and no line shows a
//     secret, a password, or the path of a webhook's URL.
//   - An empty variable counts as unset. A file of CONFIG_DIR wins over the
//     variable of its name.
//   - Settings print without secrets.
package env
