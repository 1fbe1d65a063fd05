package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"plausible-webhooks/deploy/devstack/receiver"
)

// receipts checks every request the receiver gets and counts the good ones.
type receipts struct {
	tell *narrator

	mu      sync.Mutex        // Guards what follows.
	secrets map[string]string // Path of the webhook → its secret.
	seen    map[string]int    // "path type" → number of requests with a good signature.
	bad     int
	changed chan struct{} // Closed and replaced at each request.
}

func newReceipts(tell *narrator) *receipts {
	return &receipts{tell: tell, secrets: map[string]string{}, seen: map[string]int{}, changed: make(chan struct{})}
}

func (r *receipts) know(path, secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets[path] = secret
}

// take is called by the receiver for each request, before it answers.
func (r *receipts) take(request receiver.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := request.Header.Get("X-Webhook-Event")
	if r.secrets[request.Path] == "" {
		// A webhook that somebody added on the page: its secret was shown to them alone.
		r.tell.say("receiver", "%s  %s, signature not checked, for its secret is yours: %s", request.Path, kind, gist(request.Body))
	} else if err := verifyBoth(r.secrets[request.Path], request); err != nil {
		r.bad++
		r.tell.say("receiver", "%s  BAD SIGNATURE on %s: %v", request.Path, kind, err)
	} else {
		r.seen[request.Path+" "+kind]++
		r.tell.say("receiver", "%s  %s, signature verified: %s", request.Path, kind, gist(request.Body))
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// verifyBoth checks both signature schemes with code that is not the
// project's: the Standard Webhooks library, and a plain HMAC over the body.
func verifyBoth(secret string, request receiver.Request) error {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return fmt.Errorf("no secret known for this path: %w", err)
	}
	if err := hook.Verify(request.Body, request.Header); err != nil {
		return fmt.Errorf("webhook-signature: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(request.Body)
	want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	for entry := range strings.SplitSeq(request.Header.Get("X-Webhook-Signature"), ",") {
		if hmac.Equal([]byte(entry), []byte(want)) {
			return nil
		}
	}
	return fmt.Errorf("X-Webhook-Signature does not hold %s", want)
}

// gist is the part of a payload that a person looks for.
func gist(body []byte) string {
	var p struct {
		Data struct {
			Site struct {
				Domain string `json:"domain"`
			} `json:"site"`
			CurrentVisitors *int `json:"current_visitors"`
			Visitors        *int `json:"visitors"`
			Conversions     *int `json:"conversions"`
			Goal            *struct {
				Name string `json:"name"`
			} `json:"goal"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &p) != nil {
		return string(body)
	}
	d := p.Data
	switch {
	case d.Goal != nil && d.Conversions != nil:
		return fmt.Sprintf("%s, %q completed %d times", d.Site.Domain, d.Goal.Name, *d.Conversions)
	case d.CurrentVisitors != nil:
		return fmt.Sprintf("%s, %d visitors right now", d.Site.Domain, *d.CurrentVisitors)
	case d.Visitors != nil:
		return fmt.Sprintf("%s, only %d visitors", d.Site.Domain, *d.Visitors)
	default:
		return d.Site.Domain
	}
}

// missing lists which of the wanted "path type" have not come yet, and a
// channel that is closed when that may have changed.
func (r *receipts) missing(wanted []string) ([]string, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []string
	for _, w := range wanted {
		if r.seen[w] == 0 {
			left = append(left, w)
		}
	}
	return left, r.changed
}
