package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// bareRate is what net/http does by itself: so many workers who sign, send and
// read the answer, with connections kept alive.
func bareRate(ctx context.Context, b *sendBed, n, concurrency int) (run, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b.receiver.ca)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConns:        2 * concurrency,
		MaxIdleConnsPerHost: concurrency,
		DisableCompression:  true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(benchSecret, "whsec_"))
	if err != nil {
		return run{}, fmt.Errorf("read the secret: %w", err)
	}
	return b.measured(n, func() error {
		var next, failed atomic.Int64
		var workers sync.WaitGroup
		var once sync.Once
		var first error
		for range concurrency {
			workers.Go(func() {
				for next.Add(1) <= int64(n) {
					if err := post(ctx, client, b.receiver.url("/ok/1"), key); err != nil {
						failed.Add(1)
						once.Do(func() { first = err })
					}
				}
			})
		}
		workers.Wait()
		if failed.Load() > 0 {
			return fmt.Errorf("%d of %d requests of the bare loop failed: %w", failed.Load(), n, first)
		}
		return nil
	})
}

// post makes the request that the sender makes.
func post(ctx context.Context, client *http.Client, url string, key []byte) error {
	payload := []byte(ratePayload)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	id, timestamp := uuid.NewString(), strconv.FormatInt(time.Now().Unix(), 10)
	body := hmac.New(sha256.New, []byte(benchSecret))
	body.Write(payload)
	standard := hmac.New(sha256.New, key)
	standard.Write([]byte(id + "." + timestamp + "."))
	standard.Write(payload)
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"bench"}, "X-Webhook-Event": {"goal.completed"},
		"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp},
		"Webhook-Signature":   {"v1," + base64.StdEncoding.EncodeToString(standard.Sum(nil))},
		"X-Webhook-Signature": {"sha256=" + hex.EncodeToString(body.Sum(nil))},
	}
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusNoContent {
		return errors.New(answer.Status)
	}
	return nil
}
