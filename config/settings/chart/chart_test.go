package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/settings/chart"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 3, 26, 9, 0, 0, 0, time.UTC)

// elements counts what a drawing is made of, and fails for what is no XML.
func elements(t interface{ Fatalf(string, ...any) }, svg string) map[string]int {
	counts := map[string]int{}
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		if err != nil {
			t.Fatalf("the drawing is no XML: %v\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if a.Name.Local == "class" {
					counts[a.Value]++
				}
			}
		}
	}
}

func TestDrawing(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Tallinn")
	if err != nil {
		t.Fatal(err)
	}
	c := chart.Chart{Title: `Visitors of <a>"x"`, Desc: "Most: 130 & more", Step: time.Hour, From: start, Until: start.AddDate(0, 0, 7), Threshold: 100, Zone: zone,
		Marks: []time.Time{start.Add(-time.Hour), start.Add(5 * time.Hour), start.AddDate(0, 0, 8)}}
	for i := range 7 * 24 {
		c.Points = append(c.Points, chart.Point{At: start.Add(time.Duration(i) * time.Hour), Value: i % 131})
	}
	svg := string(c.SVG("d"))
	counts := elements(t, svg)
	// The clocks of Tallinn go forward on 29 March: that day is short, and still one.
	if counts["pw-chart-day"] != 7 || counts["pw-chart-mark"] != 1 || counts["pw-chart-threshold"] != 1 || counts["pw-chart-line"] != 1 {
		t.Errorf("drawing of %v", counts)
	}
	for _, want := range []string{"100 or more", "Sun 29 Mar", "Mon 30 Mar", `role="img" `, `aria-labelledby="d-title d-desc"`, "Visitors of &lt;a&gt;", ">150<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("drawing lacks %q", want)
		}
	}
	if strings.Contains(svg, "style=") || strings.Contains(svg, "<script") {
		t.Error("the drawing has what a policy would refuse")
	}
	c.Threshold, c.Marks, c.Points = 0, nil, nil
	counts = elements(t, string(c.SVG("d")))
	if counts["pw-chart-threshold"]+counts["pw-chart-mark"]+counts["pw-chart-line"] != 0 {
		t.Errorf("drawing of nothing: %v", counts)
	}
	c.Threshold, c.Below = 5, true
	if !strings.Contains(string(c.SVG("d")), "below 5") {
		t.Error("a drop's threshold is told as a spike's")
	}
}

func TestDrawingOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := time.Duration(rapid.IntRange(1, 86_400).Draw(t, "step")) * time.Second
		c := chart.Chart{Step: step, From: start, Until: start.Add(time.Duration(rapid.IntRange(1, 1_000_000).Draw(t, "seconds")) * time.Second), Zone: time.UTC,
			Threshold: rapid.IntRange(0, 1<<31-1).Draw(t, "threshold")}
		for i, v := range rapid.SliceOfN(rapid.IntRange(0, 1<<40), 0, 50).Draw(t, "values") {
			c.Points = append(c.Points, chart.Point{At: start.Add(time.Duration(i) * step), Value: v})
		}
		svg := string(c.SVG("d"))
		counts := elements(t, svg)
		if counts["pw-chart-grid"] < 2 || counts["pw-chart-grid"] > 8 {
			t.Fatalf("%d lines across", counts["pw-chart-grid"])
		}
		for _, odd := range []string{"NaN", "Inf", `"-`} {
			if strings.Contains(svg, odd) {
				t.Fatalf("the drawing has %s:\n%s", odd, svg)
			}
		}
	})
}
