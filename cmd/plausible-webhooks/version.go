package main

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// version is set by the linker for releases:
// go build -ldflags "-X main.version=1.2.3" ./cmd/plausible-webhooks.
var version string

// programVersion is the release, or what the build knows of its source.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	if v := strings.TrimPrefix(info.Main.Version, "v"); v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= 12:
			revision = "-" + setting.Value[:12]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = "-modified"
		}
	}
	return "dev" + revision + modified
}

type versionCommand struct {
	JSON bool `name:"json" help:"Print it as JSON."`
}

func (c versionCommand) Run(p program) error {
	if c.JSON {
		return p.printJSON(map[string]string{"version": programVersion()})
	}
	fmt.Fprintln(p.stdout, "plausible-webhooks "+programVersion())
	return nil
}
