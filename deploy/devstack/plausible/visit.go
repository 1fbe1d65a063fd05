package plausible

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Visit is one call of the tracker script.
type Visit struct {
	Visitor  string // Any text that tells visitors apart.
	Name     string // Default: pageview.
	Domain   string
	Path     string
	Referrer string
	Props    map[string]string
}

// Send posts a visit to the /api/event of a Plausible at baseURL, as the
// tracker script of a browser does.
func (v Visit) Send(ctx context.Context, baseURL string) error {
	if v.Name == "" {
		v.Name = "pageview"
	}
	body, err := json.Marshal(map[string]any{
		"n": v.Name, "d": v.Domain, "u": "https://" + v.Domain + v.Path, "r": v.Referrer, "p": v.Props,
	})
	if err != nil {
		return fmt.Errorf("encode a visit: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, baseURL+"/api/event", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send a visit: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "visitor "+v.Visitor)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send a visit: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("send a visit: Plausible answered %s", resp.Status)
	}
	return nil
}
