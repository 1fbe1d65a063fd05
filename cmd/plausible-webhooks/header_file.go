package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config/header"
	"plausible-webhooks/config/store"
)

const headerHelp = `A file of headers has a line for each, as HTTP writes it:

    Authorization: Bearer 0123456789
    X-Api-Key: abcdef

They are sent with every request. Values are read from files and never from the command line, where other users of the machine could see them; they are encrypted like secrets and never shown again.`

// headerFlags are the flags that give headers and a timeout.
type headerFlags struct {
	HeaderFile []string    `sep:"none" placeholder:"FILE|-" help:"Send the headers in this file, or on standard input; may be given several times."`
	Timeout    timeoutFlag `placeholder:"DURATION" help:"How long one attempt may take, 1s to 30s; 0 or default: as WEBHOOKS_TIMEOUT says."`
}

// maxHeaderFile is more than all headers of a webhook need.
const maxHeaderFile = 64 << 10

// readHeaders reads the headers of all files. Secret is another file that the
// command reads.
func (p program) readHeaders(names []string, secret string) ([]header.Header, error) {
	var all []header.Header
	piped := secret == "-"
	for _, name := range names {
		if name == "-" && piped {
			return nil, mistake(store.FieldHeaders, "standard input can be read once only: put one of the two into a file")
		}
		piped = piped || name == "-"
		text, err := p.readWhole(name, maxHeaderFile)
		if err != nil {
			return nil, fmt.Errorf("read headers: %w", err)
		}
		headers, err := header.ParseLines(text)
		if err != nil {
			return nil, mistake(store.FieldHeaders, "%s: %v", fileName(name), err)
		}
		if len(headers) == 0 {
			return nil, mistake(store.FieldHeaders, "there is no header in %s", fileName(name))
		}
		all = append(all, headers...)
	}
	return all, nil
}

// readWhole reads a file, or stdin for "-", if it is not longer than limit.
func (p program) readWhole(name string, limit int64) (string, error) {
	in := p.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(content)) > limit {
		return "", fmt.Errorf("%s has more than %d bytes, which is no file of this kind", fileName(name), limit)
	}
	return string(content), nil
}

// timeoutFlag is the value of --timeout. Zero seconds stand for the default.
type timeoutFlag struct {
	given   bool
	seconds int
}

var errTimeout = errors.New("want 1s to 30s in whole seconds, or default")

// UnmarshalText implements encoding.TextUnmarshaler for kong.
func (t *timeoutFlag) UnmarshalText(text []byte) error {
	t.given = true
	if string(text) == "default" {
		return nil
	}
	var err error
	if t.seconds, err = seconds(strings.TrimSpace(string(text))); err != nil || t.seconds > store.MaxTimeoutSeconds {
		return errTimeout
	}
	return nil
}

// change is nil where nothing is asked for.
func (t timeoutFlag) change() *int {
	if !t.given {
		return nil
	}
	return &t.seconds
}

// headerNames are a webhook's headers in few words.
func headerNames(w store.Webhook) string {
	if len(w.HeaderNames) == 0 {
		return "-"
	}
	return strings.Join(w.HeaderNames, ", ")
}

// timeoutOf is a webhook's own timeout.
func timeoutOf(w store.Webhook) string {
	if w.TimeoutSeconds == 0 {
		return "-"
	}
	return (time.Duration(w.TimeoutSeconds) * time.Second).String()
}

// headerFlagOf names the flag of a field about headers, counted from one, as
// people do.
func headerFlagOf(field string) (flag string, ok bool) {
	switch {
	case strings.HasPrefix(field, store.FieldDropHeaders):
		return "--remove-header", true
	case field == store.FieldHeaders:
		return "--header-file", true
	case !strings.HasPrefix(field, store.FieldHeaders+"["):
		return "", false
	}
	index, _, _ := strings.Cut(strings.TrimPrefix(field, store.FieldHeaders+"["), "]")
	n, err := strconv.Atoi(index)
	if err != nil {
		return "--header-file", true
	}
	return fmt.Sprintf("--header-file (header number %d)", n+1), true
}
