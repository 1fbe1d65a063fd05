package recipes_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const withProxy = "../compose.proxy.yml"

// Caddy takes the place of Plausible's own TLS, whatever ports the operator's
// override still publishes.
func TestTheProxyTakesOver(t *testing.T) {
	project := compose(t, dotEnv, plausibleCE, override, overlay, withProxy)
	web, proxy := project.Services["plausible"], project.Services["plausible_proxy"]
	if len(web.Ports) > 0 {
		t.Errorf("Plausible still has the machine's ports %v", web.Ports)
	}
	if port := web.Environment["HTTP_PORT"]; port == nil || *port != "8000" {
		t.Errorf("Plausible's HTTP_PORT is %v; want 8000", port)
	}
	if port := web.Environment["HTTPS_PORT"]; port != nil {
		t.Errorf("Plausible has HTTPS_PORT %q, and ends TLS itself", *port)
	}
	if got := plausibleURL(t, project); got != "http://plausible:8000" {
		t.Errorf("WEBHOOKS_PLAUSIBLE_URL is %s; want http://plausible:8000", got)
	}
	if command := strings.Join(proxy.Command, " "); !strings.HasPrefix(command, `sh -c BASE_URL="${BASE_URL%/}" exec caddy run`) {
		t.Errorf("Caddy runs %s; want BASE_URL without a final slash", command)
	}
	var ports []string
	for _, port := range proxy.Ports {
		ports = append(ports, port.Published+"/"+port.Protocol)
	}
	if slices.Sort(ports); !slices.Equal(ports, []string{"443/tcp", "443/udp", "80/tcp"}) {
		t.Errorf("Caddy has the ports %v", ports)
	}
	if len(proxy.DependsOn) != 1 || proxy.DependsOn["plausible"].Condition == "" {
		t.Errorf("Caddy waits for %v; want Plausible alone: it must work without the sidecar", proxy.DependsOn)
	}
	for _, volume := range proxy.Volumes {
		if volume.Target != "/etc/caddy" {
			continue
		}
		folder, ok := strings.CutPrefix(volume.Source, "/srv/plausible/plausible-webhooks/")
		if _, err := os.Stat(filepath.Join(top, folder, "Caddyfile")); !ok || err != nil {
			t.Errorf("Caddy reads %s, which has no Caddyfile", volume.Source)
		}
	}
}

// Plausible takes even an empty HTTPS_PORT for one, and a variable of a list
// cannot be taken away by another file.
func TestTheProxySaysThatPlausibleStillEndsTLS(t *testing.T) {
	for _, port := range []string{"443", "8443"} {
		_, err := merge(t, with(dotEnv, "HTTP_PORT", "80", "HTTPS_PORT", port), plausibleCE, override, overlay, withProxy)
		if err == nil || !strings.Contains(err.Error(), "remove HTTPS_PORT and HTTP_PORT from .env") {
			t.Errorf("with HTTPS_PORT=%s in .env: %v; want to be told to remove it", port, err)
		}
	}
}
