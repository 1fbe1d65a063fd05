package cdc

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"plausible-webhooks/deploy/devstack/stack"
)

func TestMain(m *testing.M) {
	code := stack.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left over:", err)
		code = 1
	}
	os.Exit(code)
}
