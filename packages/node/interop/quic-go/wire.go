package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
)

// A frame of a stream: version, length, whether it is a control message, two reserved bytes, and the payload.
const (
	wireVersion = 1
	headerSize  = 9
	maxPayload  = 1 << 24
)

func writeFrame(to io.Writer, control bool, payload []byte) error {
	frame := make([]byte, headerSize, headerSize+len(payload))
	binary.BigEndian.PutUint16(frame, wireVersion)
	binary.BigEndian.PutUint32(frame[2:], uint32(len(payload)))
	if control {
		frame[6] = 1
	}
	_, err := to.Write(append(frame, payload...))
	return err
}

// readFrame ends with io.EOF where the stream ends between two frames.
func readFrame(from io.Reader) (control bool, payload []byte, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return false, nil, err
	}
	length := binary.BigEndian.Uint32(header[2:])
	if binary.BigEndian.Uint16(header[:]) != wireVersion || length == 0 || length > maxPayload || header[6] > 1 {
		return false, nil, errors.New("not a frame")
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(from, payload); err != nil {
		return false, nil, err
	}
	return header[6] == 1, payload, nil
}

// Control messages: a variant, and what belongs to it.
const (
	echoRequest = iota
	echoResponse
	verificationRequest
	verificationResponse
)

func encodeVariant(variant uint32) []byte {
	return binary.LittleEndian.AppendUint32(nil, variant)
}

func encodeEchoResponse(address netip.AddrPort) []byte {
	ip := address.Addr().Unmap()
	message := encodeVariant(echoResponse)
	if ip.Is4() {
		message = binary.LittleEndian.AppendUint32(message, 0)
	} else {
		message = binary.LittleEndian.AppendUint32(message, 1)
	}
	message = append(message, ip.AsSlice()...)
	return binary.LittleEndian.AppendUint16(message, address.Port())
}

func encodeVerificationResponse(reachable bool) []byte {
	message := encodeVariant(verificationResponse)
	if reachable {
		return append(message, 1)
	}
	return append(message, 0)
}

// decodeControl yields the variant, and the address of the two that carry one.
func decodeControl(message []byte) (variant uint32, address netip.AddrPort, err error) {
	malformed := errors.New("not a control message")
	if len(message) < 4 {
		return 0, address, malformed
	}
	variant, message = binary.LittleEndian.Uint32(message), message[4:]
	if variant != echoResponse && variant != verificationRequest {
		return variant, address, nil
	}
	if len(message) < 4 {
		return 0, address, malformed
	}
	size := net.IPv4len
	if binary.LittleEndian.Uint32(message) == 1 {
		size = net.IPv6len
	}
	message = message[4:]
	if len(message) != size+2 {
		return 0, address, malformed
	}
	ip, _ := netip.AddrFromSlice(message[:size])
	return variant, netip.AddrPortFrom(ip, binary.LittleEndian.Uint16(message[size:])), nil
}
