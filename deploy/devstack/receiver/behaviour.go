package receiver

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Behaviour is how one request is answered.
type Behaviour struct {
	kind   string
	status int
	wait   time.Duration
	target string
	times  int // How many requests it answers; zero: all that follow.
}

// Accept answers 200 with a short body.
var Accept = Behaviour{kind: "status", status: http.StatusOK}

// Usage lists what Parse understands, for people.
const Usage = `200 … 599          answer with that status
fail:N[:STATUS]    answer STATUS (500) N times, then accept
retry-after:S[:N]  answer 503 with Retry-After: S N times (once), then accept
slow:DURATION      wait, then accept
hang               never answer
redirect:URL       answer 302 to that URL (307:URL, 308:URL too)
drip               answer 200, then one byte of body each 100 ms for ever
endless            answer 200, then body as fast as it is read, for ever
empty              close the connection without an answer
garbage            answer with something that is not HTTP
truncate           promise 1000 bytes of body, send 10`

// Parse reads one behaviour, as Usage describes them.
func Parse(text string) (Behaviour, error) {
	word, rest, _ := strings.Cut(text, ":")
	switch word {
	case "hang", "drip", "endless", "empty", "garbage", "truncate":
		if rest != "" {
			return Behaviour{}, fmt.Errorf("behaviour %q: %s takes no argument", text, word)
		}
		return Behaviour{kind: word}, nil
	case "fail":
		times, status, ok := strings.Cut(rest, ":")
		if !ok {
			status = "500"
		}
		return countedStatus(text, times, status)
	case "retry-after":
		seconds, times, ok := strings.Cut(rest, ":")
		if !ok {
			times = "1"
		}
		n, err := strconv.Atoi(times)
		if err != nil || n < 1 || seconds == "" {
			return Behaviour{}, fmt.Errorf("behaviour %q: want retry-after:SECONDS[:TIMES]", text)
		}
		return Behaviour{kind: "retry-after", target: seconds, times: n}, nil
	case "slow":
		wait, err := time.ParseDuration(rest)
		if err != nil || wait < 0 {
			return Behaviour{}, fmt.Errorf("behaviour %q: want slow:DURATION, for example slow:4s", text)
		}
		return Behaviour{kind: "slow", wait: wait}, nil
	case "redirect", "301", "302", "303", "307", "308":
		if word != "redirect" && rest == "" {
			break // A bare status.
		}
		if _, err := url.Parse(rest); err != nil || rest == "" {
			return Behaviour{}, fmt.Errorf("behaviour %q: want %s:URL", text, word)
		}
		status, err := strconv.Atoi(word)
		if err != nil {
			status = http.StatusFound
		}
		return Behaviour{kind: "redirect", status: status, target: rest}, nil
	}
	status, err := strconv.Atoi(text)
	if err != nil || status < 200 || status > 599 {
		return Behaviour{}, fmt.Errorf("behaviour %q is unknown; known are:\n%s", text, Usage)
	}
	return Behaviour{kind: "status", status: status}, nil
}

// Must is Parse for texts in a program; it panics on a mistake.
func Must(text string) Behaviour {
	b, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return b
}

func countedStatus(text, times, status string) (Behaviour, error) {
	n, err := strconv.Atoi(times)
	if err != nil || n < 1 {
		return Behaviour{}, fmt.Errorf("behaviour %q: want fail:TIMES[:STATUS]", text)
	}
	code, err := strconv.Atoi(status)
	if err != nil || code < 200 || code > 599 {
		return Behaviour{}, fmt.Errorf("behaviour %q: status %q is not between 200 and 599", text, status)
	}
	return Behaviour{kind: "status", status: code, times: n}, nil
}
