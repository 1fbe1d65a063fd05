package main

import (
	"os"
	"strings"
	"testing"

	"plausible-webhooks/cdc"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/sender"
)

// Each metric of ours stands in the reference, and none there that is not.
func TestReferenceListsTheMetrics(t *testing.T) {
	reference, err := os.ReadFile("../../deploy/REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := newRegistry(newHealth(cdc.New(cdc.Options{}), evaluator.New(evaluator.Options{})), sender.New(sender.Options{})).Gather()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, family := range families {
		if name := family.GetName(); strings.HasPrefix(name, namespace) {
			have[name] = true
			if !strings.Contains(string(reference), "`"+name+"`") {
				t.Errorf("deploy/REFERENCE.md does not list %s", name)
			}
		}
	}
	for _, word := range strings.FieldsFunc(string(reference), func(r rune) bool { return r == '`' }) {
		if strings.HasPrefix(word, namespace+"_") && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") == "" && !have[word] {
			t.Errorf("deploy/REFERENCE.md lists %s, which does not exist", word)
		}
	}
}
