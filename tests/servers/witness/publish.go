package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// What is published, with the payload types that browsers use.
var published = map[string]webrtc.RTPCodecParameters{
	"pcmu": {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}, PayloadType: 0},
	"pcma": {RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMA, ClockRate: 8000}, PayloadType: 8},
	"opus": {RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
		SDPFmtpLine: "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1",
	}, PayloadType: 111},
}

// publish sends a track of sound: each line of input is 20 ms of payload in base64, sent as it comes. Its timestamps
// count what was sent. LiveKit's SDK for Node publishes mono Opus alone.
func publish(address, token, codec string, input *bufio.Reader) error {
	r, err := join(address, token, func(*stream) {})
	if err != nil {
		return err
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		return err
	}
	// Sender reports come from an interceptor.
	registry := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
		return err
	}
	r.publisher, err = webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(registry)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	parameters := published[codec]
	track, err := webrtc.NewTrackLocalStaticSample(parameters.RTPCodecCapability, "microphone", "stream")
	if err != nil {
		return err
	}
	transceiver, err := r.publisher.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionSendonly,
	})
	if err != nil {
		return err
	}
	if err := transceiver.SetCodecPreferences([]webrtc.RTPCodecParameters{parameters}); err != nil {
		return err
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			if _, _, err := transceiver.Sender().Read(buffer); err != nil {
				return
			}
		}
	}()
	connected := make(chan struct{})
	r.publisher.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			close(connected)
		}
	})
	if err := r.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{
		Cid: track.ID(), Name: "microphone", Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE,
		DisableDtx: true, DisableRed: true, Stereo: codec == "opus",
	}}}); err != nil {
		return err
	}
	offer, err := r.publisher.CreateOffer(nil)
	if err != nil {
		return err
	}
	if err := r.publisher.SetLocalDescription(offer); err != nil {
		return err
	}
	if err := r.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: offer.SDP, Id: 1},
	}}); err != nil {
		return err
	}
	select {
	case <-connected:
	case <-time.After(20 * time.Second):
		return fmt.Errorf("the server does not take the track")
	}
	say(map[string]any{"event": "publishing"})
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			break
		}
		payload, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		if err := track.WriteSample(media.Sample{Data: payload, Duration: 20 * time.Millisecond}); err != nil {
			return err
		}
	}
	_ = r.publisher.Close()
	r.leave()
	return nil
}
