package sender

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
)

// message is what a request carries and what is signed.
type message struct {
	id      string // The delivery's: the same over retries and resends.
	event   string
	format  event.Format
	payload []byte
}

// headers are those of deploy/REFERENCE.md section 4, for an attempt at a time. Every
// secret signs, the current one first; chat formats are not signed.
func (m message) headers(version string, at time.Time, secrets []secret.Text) (http.Header, error) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	header := http.Header{
		"Content-Type":      {m.format.ContentType()},
		"User-Agent":        {"plausible-webhooks/" + version},
		"X-Webhook-Event":   {m.event},
		"Webhook-Id":        {m.id},
		"Webhook-Timestamp": {timestamp},
	}
	for name, value := range event.Headers(m.format, event.Type(m.event), string(m.payload)) {
		header.Set(name, value)
	}
	if !m.format.Signed() {
		return header, nil
	}
	bodyOnly, standard := make([]string, len(secrets)), make([]string, len(secrets))
	for i, s := range secrets {
		key, err := s.Key()
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		// The key of the first scheme is the text as the user sees it, for
		// receivers that know nothing of "whsec_".
		bodyOnly[i] = "sha256=" + hex.EncodeToString(sign([]byte(s.Reveal()), m.payload))
		standard[i] = "v1," + base64.StdEncoding.EncodeToString(sign(key, []byte(m.id), []byte("."), []byte(timestamp), []byte("."), m.payload))
	}
	// No space after the comma: adnanh/webhook does not trim the parts.
	header.Set("X-Webhook-Signature", strings.Join(bodyOnly, ","))
	header.Set("Webhook-Signature", strings.Join(standard, " "))
	return header, nil
}

// sign is HMAC-SHA256 over the parts, one after the other.
func sign(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}
