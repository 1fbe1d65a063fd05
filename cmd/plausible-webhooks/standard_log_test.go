package main

import (
	"bytes"
	"encoding/json"
	stdlog "log"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestStandardLogIsOurs(t *testing.T) {
	flags, writer := stdlog.Flags(), stdlog.Writer()
	t.Cleanup(func() {
		stdlog.SetFlags(flags)
		stdlog.SetOutput(writer)
	})
	var out bytes.Buffer
	takeStandardLog(hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, JSONFormat: true, Output: &out}))
	stdlog.Printf("[ERROR] Unsolicited response starting with %q", "x\n")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["@level"] != "debug" || line["@message"] != `Unsolicited response starting with "x\n"` {
		t.Errorf("got %s, %v, want one line of debug level", out.String(), err)
	}
	out.Reset()
	takeStandardLog(hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: &out}))
	stdlog.Print("Unsolicited response")
	if out.Len() != 0 {
		t.Errorf("got %s, want nothing at level info", out.String())
	}
}
