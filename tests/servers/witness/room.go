package main

import (
	"encoding/json"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

// stream is one received track.
type stream struct {
	sid      string
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
}

// room is a joined room: the signalling connection and the peer connection that receives.
type room struct {
	socket *websocket.Conn
	peer   *webrtc.PeerConnection
	write  sync.Mutex
	// publisher is set by publish alone.
	publisher *webrtc.PeerConnection
}

// join joins a room, subscribes to everything, and calls onStream for each track in a goroutine of its own.
func join(address, token string, onStream func(*stream)) (*room, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	at.Path = "/rtc"
	at.RawQuery = url.Values{
		"access_token": {token}, "protocol": {"16"}, "auto_subscribe": {"1"}, "sdk": {"go"},
	}.Encode()
	socket, _, err := websocket.DefaultDialer.Dial(at.String(), nil)
	if err != nil {
		return nil, err
	}
	r := &room{socket: socket}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	// No interceptors: a NACK or a report of ours would not change what is compared, and less can go wrong.
	r.peer, err = webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings)).
		NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	r.peer.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		// The second word of a=msid is the track's id.
		onStream(&stream{sid: track.ID(), track: track, receiver: receiver})
	})
	joined := make(chan error, 1)
	go r.listen(joined)
	if err := <-joined; err != nil {
		return nil, err
	}
	return r, nil
}

func (r *room) send(request *livekit.SignalRequest) error {
	body, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	r.write.Lock()
	defer r.write.Unlock()
	return r.socket.WriteMessage(websocket.BinaryMessage, body)
}

func (r *room) listen(joined chan<- error) {
	var early, forPublisher []webrtc.ICECandidateInit
	for {
		_, body, err := r.socket.ReadMessage()
		if err != nil {
			select {
			case joined <- err:
			default:
			}
			say(map[string]any{"event": "closed", "reason": err.Error()})
			return
		}
		response := &livekit.SignalResponse{}
		if err := proto.Unmarshal(body, response); err != nil {
			fail(err)
		}
		switch message := response.Message.(type) {
		case *livekit.SignalResponse_Join:
			go r.ping(time.Duration(message.Join.PingInterval) * time.Second)
			joined <- nil
		case *livekit.SignalResponse_Offer:
			if err := r.answer(message.Offer); err != nil {
				fail(err)
			}
			for _, candidate := range early {
				_ = r.peer.AddICECandidate(candidate)
			}
			early = nil
		case *livekit.SignalResponse_Answer:
			answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: message.Answer.Sdp}
			if err := r.publisher.SetRemoteDescription(answer); err != nil {
				fail(err)
			}
			for _, candidate := range forPublisher {
				_ = r.publisher.AddICECandidate(candidate)
			}
		case *livekit.SignalResponse_TrackPublished:
			say(map[string]any{"event": "published", "track": message.TrackPublished.Track.Sid})
		case *livekit.SignalResponse_Trickle:
			candidate := webrtc.ICECandidateInit{}
			if json.Unmarshal([]byte(message.Trickle.CandidateInit), &candidate) != nil {
				continue
			}
			switch {
			case message.Trickle.Target == livekit.SignalTarget_PUBLISHER:
				if r.publisher.RemoteDescription() != nil {
					_ = r.publisher.AddICECandidate(candidate)
				} else {
					forPublisher = append(forPublisher, candidate)
				}
			case r.peer.RemoteDescription() == nil:
				early = append(early, candidate)
			default:
				_ = r.peer.AddICECandidate(candidate)
			}
		}
	}
}

func (r *room) answer(offer *livekit.SessionDescription) error {
	if err := r.peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.Sdp}); err != nil {
		return err
	}
	answer, err := r.peer.CreateAnswer(nil)
	if err != nil {
		return err
	}
	// The server is ICE-lite and learns our address from our checks, so nothing waits for candidates.
	if err := r.peer.SetLocalDescription(answer); err != nil {
		return err
	}
	return r.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{
		Answer: &livekit.SessionDescription{Type: "answer", Sdp: answer.SDP, Id: offer.Id},
	}})
}

func (r *room) ping(every time.Duration) {
	if every <= 0 {
		every = 5 * time.Second
	}
	for range time.Tick(every) {
		request := &livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: time.Now().UnixMilli()}}
		if r.send(request) != nil {
			return
		}
	}
}

func (r *room) leave() {
	_ = r.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
	_ = r.peer.Close()
	_ = r.socket.Close()
}
