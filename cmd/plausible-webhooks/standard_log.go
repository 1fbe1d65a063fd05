package main

import (
	stdlog "log"

	"github.com/hashicorp/go-hclog"
)

// takeStandardLog sends what libraries write with Go's standard logger through
// ours, at debug level. The HTTP client so quotes every receiver that talks on
// after its answer: up to 4 KiB each, at no level and in no format, which a
// receiver could fill the log with.
func takeStandardLog(log hclog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(log.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}))
}
