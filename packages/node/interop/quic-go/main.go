// A peer on quic-go for the tests next to this folder: it speaks the wire of @qp2p/core over another QUIC stack.
//
// It listens, and does what it is told by lines of JSON on standard input; what happens to it are lines of JSON on
// standard output. It ends with its standard input.
package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// An event, as a line of standard output.
type event struct {
	Event      string `json:"event"`
	Connection string `json:"connection,omitempty"`
	Address    string `json:"address,omitempty"`
	Text       string `json:"text,omitempty"`
	Bytes      int    `json:"bytes,omitempty"`
}

// A command, as a line of standard input.
type command struct {
	Do         string `json:"do"`
	Connection string `json:"connection"`
	Address    string `json:"address"`
	Text       string `json:"text"`
	// How often the text is repeated.
	Times int `json:"times"`
}

var output sync.Mutex

func tell(it event) {
	line, _ := json.Marshal(it)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

type peer struct {
	transport *quic.Transport
	tls       *tls.Config
	quic      *quic.Config

	mutex       sync.Mutex
	connections map[string]*quic.Conn
}

func main() {
	protocol := flag.String("protocol", "qp2p/1", "ALPN identifier")
	mistrustful := flag.Bool("mistrustful", false, "refuse the certificates of all peers")
	flag.Parse()
	if err := run(*protocol, *mistrustful); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(protocol string, mistrustful bool) error {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	self := &peer{
		transport: &quic.Transport{Conn: socket},
		tls: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			NextProtos:   []string{protocol},
			ServerName:   "qp2p",
			// A peer is the key of its certificate, which is self-signed.
			InsecureSkipVerify: true,
			ClientAuth:         tls.RequireAnyClientCert,
		},
		quic: &quic.Config{
			HandshakeIdleTimeout:  5 * time.Second,
			MaxIdleTimeout:        20 * time.Second,
			MaxIncomingStreams:    1_000,
			MaxIncomingUniStreams: 1_000,
		},
		connections: map[string]*quic.Conn{},
	}
	if mistrustful {
		self.tls.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error {
			return errors.New("no certificate is good enough")
		}
	}
	listener, err := self.transport.Listen(self.tls, self.quic)
	if err != nil {
		return err
	}
	tell(event{Event: "listening", Address: socket.LocalAddr().String()})
	go self.accept(listener)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var it command
		if err := json.Unmarshal(lines.Bytes(), &it); err != nil {
			return err
		}
		go self.do(it)
	}
	return lines.Err()
}

func (self *peer) accept(listener *quic.Listener) {
	for number := 1; ; number++ {
		// Connections come here when their handshake is complete.
		connection, err := listener.Accept(context.Background())
		if err != nil {
			return
		}
		name := fmt.Sprintf("in-%d", number)
		self.add(name, connection)
		tell(event{Event: "accepted", Connection: name, Address: connection.RemoteAddr().String()})
	}
}

func (self *peer) do(it command) {
	if it.Do == "dial" {
		connection, err := self.dial(it.Address)
		if err != nil {
			tell(event{Event: "failed", Connection: it.Connection, Text: err.Error()})
			return
		}
		self.add(it.Connection, connection)
		tell(event{Event: "connected", Connection: it.Connection})
		return
	}
	self.mutex.Lock()
	connection := self.connections[it.Connection]
	self.mutex.Unlock()
	if err := self.use(connection, it); err != nil {
		tell(event{Event: "failed", Connection: it.Connection, Text: err.Error()})
	}
}

func (self *peer) use(connection *quic.Conn, it command) error {
	if connection == nil {
		return errors.New("no such connection")
	}
	text := strings.Repeat(it.Text, max(it.Times, 1))
	switch it.Do {
	case "send":
		stream, err := connection.OpenUniStream()
		if err != nil {
			return err
		}
		if err := writeFrame(stream, false, []byte(text)); err != nil {
			return err
		}
		return stream.Close()
	case "ask":
		answer, err := ask(connection, false, []byte(text))
		if err != nil {
			return err
		}
		tell(event{Event: "answer", Connection: it.Connection, Text: short(answer), Bytes: len(answer)})
		return nil
	case "close":
		return connection.CloseWithError(0, "")
	default:
		return errors.New("no such command: " + it.Do)
	}
}

func (self *peer) dial(address string) (*quic.Conn, error) {
	to, err := net.ResolveUDPAddr("udp4", address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return self.transport.Dial(ctx, to, self.tls, self.quic)
}

func (self *peer) add(name string, connection *quic.Conn) {
	self.mutex.Lock()
	self.connections[name] = connection
	self.mutex.Unlock()
	go self.readMessages(name, connection)
	go self.answerQuestions(name, connection)
	go func() {
		<-connection.Context().Done()
		tell(event{Event: "closed", Connection: name, Text: context.Cause(connection.Context()).Error()})
	}()
}

func (self *peer) readMessages(name string, connection *quic.Conn) {
	for {
		stream, err := connection.AcceptUniStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			for {
				_, payload, err := readFrame(stream)
				if err != nil {
					if err != io.EOF {
						tell(event{Event: "spoiled", Connection: name, Text: err.Error()})
					}
					return
				}
				tell(event{Event: "message", Connection: name, Text: short(payload), Bytes: len(payload)})
			}
		}()
	}
}

// answerQuestions answers user messages with the same in capitals, and control messages as any peer does.
func (self *peer) answerQuestions(name string, connection *quic.Conn) {
	for {
		stream, err := connection.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			for {
				control, payload, err := readFrame(stream)
				if err != nil {
					if err != io.EOF {
						tell(event{Event: "spoiled", Connection: name, Text: err.Error()})
					}
					return
				}
				answer := []byte(strings.ToUpper(string(payload)))
				if control {
					answer = self.answerControl(connection, payload)
				}
				if answer == nil || writeFrame(stream, control, answer) != nil {
					return
				}
			}
		}()
	}
}

func (self *peer) answerControl(connection *quic.Conn, question []byte) []byte {
	variant, address, err := decodeControl(question)
	if err != nil {
		return nil
	}
	switch variant {
	case echoRequest:
		return encodeEchoResponse(netip.MustParseAddrPort(connection.RemoteAddr().String()))
	case verificationRequest:
		return encodeVerificationResponse(self.reaches(address))
	default:
		return nil
	}
}

// reaches tells whether somebody answers there, over a connection of its own.
func (self *peer) reaches(address netip.AddrPort) bool {
	connection, err := self.dial(address.String())
	if err != nil {
		return false
	}
	defer connection.CloseWithError(0, "")
	answer, err := ask(connection, true, encodeVariant(echoRequest))
	if err != nil {
		return false
	}
	variant, _, err := decodeControl(answer)
	return err == nil && variant == echoResponse
}

func ask(connection *quic.Conn, control bool, question []byte) ([]byte, error) {
	stream, err := connection.OpenStream()
	if err != nil {
		return nil, err
	}
	if err := writeFrame(stream, control, question); err != nil {
		return nil, err
	}
	if err := stream.Close(); err != nil {
		return nil, err
	}
	_, answer, err := readFrame(stream)
	return answer, err
}

// short is what of a payload is told in an event.
func short(payload []byte) string {
	return string(payload[:min(len(payload), 100)])
}

func selfSigned() (tls.Certificate, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
