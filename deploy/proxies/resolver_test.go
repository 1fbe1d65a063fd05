package proxies_test

import (
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// noNames is the address of a name server that knows no name, as Docker's does
// not know those of containers that are stopped.
func noNames(t *testing.T) string {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answering := make(chan struct{})
	go func() {
		defer close(answering)
		question := make([]byte, 512)
		for {
			n, from, err := socket.ReadFrom(question)
			if err != nil {
				return // Closed.
			}
			var message dnsmessage.Message
			if err := message.Unpack(question[:n]); err != nil {
				t.Errorf("read what is asked of the name server: %v", err)
				continue
			}
			message.Response, message.RCode = true, dnsmessage.RCodeNameError
			message.Additionals = nil
			answer, err := message.Pack()
			if err == nil {
				_, err = socket.WriteTo(answer, from)
			}
			if err != nil {
				t.Errorf("answer as the name server: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		<-answering
	})
	return socket.LocalAddr().String()
}
