package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// narrator prints one line for each thing that happens, with the seconds since
// the start and who it happened to.
type narrator struct {
	mu    sync.Mutex // Lines come from several goroutines.
	out   io.Writer
	begun time.Time
}

func newNarrator(out io.Writer) *narrator { return &narrator{out: out, begun: time.Now()} }

func (n *narrator) say(who, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, "%6.1fs  %-9s %s\n", time.Since(n.begun).Seconds(), who, fmt.Sprintf(format, args...))
}

func (n *narrator) print(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.out, text)
}

// retell prints the sidecar's own log, which is JSON, as lines of the story.
// It returns when the log ends.
func (n *narrator) retell(log io.Reader) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry map[string]any
		if json.Unmarshal(lines.Bytes(), &entry) != nil {
			n.say("sidecar", "%s", lines.Text())
			continue
		}
		message, _ := entry["@message"].(string)
		level, _ := entry["@level"].(string)
		if level == "debug" && message == "evaluated" {
			continue // Every other second, whether there is something to tell or not.
		}
		if level == "warn" || level == "error" {
			message = strings.ToUpper(level) + " " + message
		}
		var details []string
		for key, value := range entry {
			if !strings.HasPrefix(key, "@") {
				details = append(details, fmt.Sprintf("%s=%v", key, value))
			}
		}
		slices.Sort(details)
		n.say("sidecar", "%s", strings.TrimSpace(message+"  "+strings.Join(details, " ")))
	}
}
