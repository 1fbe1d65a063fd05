package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/settings/server"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pagesPatience is how long answers under way may take when the program ends,
// as long as attempts in flight may.
const pagesPatience = 8 * time.Second

// pagesServer is the server of WEBHOOKS_LISTEN.
type pagesServer struct {
	server  *http.Server
	handler *server.Server
	serving sync.WaitGroup
}

// servePages listens at once: while a database or Plausible is away, the page
// says so, and Plausible's own settings pass through.
func servePages(of env.Settings, pool *pgxpool.Pool, pages server.Pages, asset server.Asset, served func(server.Served), log hclog.Logger) (*pagesServer, error) {
	handler, err := server.New(server.Options{
		DB: pool, Plausible: of.PlausibleURL, Base: of.BaseURL, Pages: pages, Asset: asset, Served: served, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", of.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen at WEBHOOKS_LISTEN (%s): %w", of.Listen, err)
	}
	p := &pagesServer{handler: handler, server: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute, // Longer than proxies keep a connection, so that they close it.
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true}),
	}}
	p.serving.Go(func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the settings page is no longer served", "error", err)
		}
	})
	return p, nil
}

// stop lets answers under way finish, for a while.
func (p *pagesServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), pagesPatience)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil {
		_ = p.server.Close() // What takes longer is cut off.
	}
	p.serving.Wait()
	p.handler.Close()
}
