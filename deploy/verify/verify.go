package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// Verify checks X-Webhook-Signature; body is the raw body as received. With
// github.com/standard-webhooks/standard-webhooks/libraries/go, verify
// webhook-signature instead: it also refuses what is older than five minutes.
func Verify(secret string, header http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	for entry := range strings.SplitSeq(header.Get("X-Webhook-Signature"), ",") {
		if hmac.Equal([]byte(entry), []byte(want)) {
			return true
		}
	}
	return false
}
