// Command plausible-webhooks is the sidecar and its tools: run, migrate,
// check, health, webhook, delivery and version, one file each.
//
// The package wires rooms together and talks to people. It owns signals, exit
// codes, tables and help texts; rules about webhooks live in config, what fires
// in evaluator, how requests travel in sender.
//
// Exit codes: 0 done; 1 it did not work; 2 the configuration or the command
// line is wrong, so that trying again as it is cannot help.
package main
