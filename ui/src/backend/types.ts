// The shapes of the command surface.
export type EgressId = string;
export type OutputId = string;
export type TrackId = string;
export type ProjectId = string;
export type Fault = "ours" | "server" | "destination" | "input" | "environment";
export type ErrorCode =
  | "invalid_argument" | "not_found" | "not_live_kit" | "unreachable" | "unknown_key" | "wrong_secret" | "clock_off"
  | "permission_denied" | "keyring" | "disk_full" | "storage" | "unsupported" | "room_lost" | "job_died"
  | "failed_precondition" | "aborted" | "limit_reached" | "internal";
export type ApiError = { code: ErrorCode; message: string; remedy: string; retryable: boolean; fault: Fault; detail: string };
export type FileResult = { path: string | null; size_bytes: number; started_at_ns: number; ended_at_ns: number; duration_ns: number; error: ApiError | null };
export type TrackKind = "audio" | "video";
export type TrackSource = "unknown" | "camera" | "microphone" | "screen_share" | "screen_share_audio";
export type TrackFacts = { track_id: TrackId; kind: TrackKind; source: TrackSource; codec: string; publisher_identity: string };
export type ConnectionState = "connecting" | "connected" | "resuming" | "reconnecting" | "disconnected";
export type EndReason = "stop_requested" | "source_closed" | "room_lost" | "limit_reached" | "disk_full" | "process_killed" | "failure";
export type EgressStatus = "starting" | "active" | "ending" | "complete" | "failed" | "aborted" | "limit_reached";
export type OutputFigures = { output: OutputId; elapsed_ms: number; size_bytes: number; bitrate_bps: number; frames: number; dropped_frames: number; disk_left_s: number | null };
export type Level = { track_id: TrackId; dbfs: number };
export type TrackFigures = { track_id: TrackId; packets: number; lost: number; bitrate_bps: number };
export type Figures = { outputs: OutputFigures[]; levels: Level[]; tracks: TrackFigures[]; rtt_ms: number | null; cpu_percent: number; memory_bytes: number; encoder: string | null };
export type Container = "mp4" | "webm" | "ogg" | "mp3";
export type VideoCodec = "h264_baseline" | "h264_main" | "h264_high" | "vp8" | "vp9";
export type AudioCodec = "aac" | "opus" | "mp3";
export type Preset = "H264_720P_30" | "H264_720P_60" | "H264_1080P_30" | "H264_1080P_60" | "PORTRAIT_H264_720P_30" | "PORTRAIT_H264_720P_60" | "PORTRAIT_H264_1080P_30" | "PORTRAIT_H264_1080P_60";
export type AdvancedOptions = { width: number; height: number; framerate: number; video_bitrate_kbps: number; video_codec: VideoCodec | null; key_frame_interval_s: number; audio_bitrate_kbps: number; audio_frequency_hz: number; audio_codec: AudioCodec | null };
export type RecordSource =
  | { type: "participant"; identity: string; follow_screen_share: boolean }
  | { type: "track_composite"; video_track_id: TrackId | null; audio_track_id: TrackId | null }
  | { type: "track"; track_id: TrackId };
export type RecordFormat =
  | { type: "as_published"; container: Container | null }
  | { type: "preset"; container: Container | null; preset: Preset }
  | { type: "advanced"; container: Container | null; options: AdvancedOptions };
export type RecordRequest = { room_name: string; source: RecordSource; format: RecordFormat; folder: string; name: string; manifest: boolean };
export type ParticipantKind = "standard" | "ingress" | "egress" | "sip" | "agent" | "connector" | "bridge";
export type ConnectionQuality = "unknown" | "poor" | "good" | "excellent" | "lost";
export type LayerQuality = "low" | "medium" | "high";
export type Layer = { quality: LayerQuality; width: number; height: number; bitrate_bps: number };
export type Track = { sid: TrackId; name: string; kind: TrackKind; source: TrackSource; codec: string; width: number; height: number; layers: Layer[]; muted: boolean; encrypted: boolean };
export type Participant = { sid: string; identity: string; name: string; kind: ParticipantKind; joined_at_ms: number; speaking: boolean; connection: ConnectionQuality; tracks: Track[] };
export type Roster = { room_sid: string; room_name: string; active_recording: boolean; participants: Participant[] };
export type RoomSummary = { sid: string; name: string; num_participants: number; num_publishers: number; created_at_ms: number; active_recording: boolean };
export type SecretPlace = "keyring" | "this_run" | "missing";
export type Project = { id: ProjectId; name: string; url: string; api_key: string; secret: SecretPlace };
export type ProjectInput = { name: string; url: string; api_key: string; api_secret: string | null; this_run_only: boolean };
export type Projects = { list: Project[]; current: ProjectId | null; keyring_error: ApiError | null };
export type Rooms = { list: RoomSummary[]; loading: boolean; error: ApiError | null };
export type OpenRoom = { name: string; connection: ConnectionState; roster: Roster; figures: Figures; error: ApiError | null };
export type OutputState = "starting" | "active" | "finishing" | "done" | "failed";
export type JobOutput = { id: OutputId; path: string | null; state: OutputState; started_at_ms: number | null; result: FileResult | null; thumbnail: boolean };
export type Job = { egress_id: EgressId; project_id: ProjectId | null; request: RecordRequest; title: string; status: EgressStatus; armed: boolean; preview: boolean; connection: ConnectionState; created_at_ms: number; started_at_ms: number | null; ended_at_ms: number | null; end_reason: EndReason | null; error: ApiError | null; warnings: ApiError[]; tracks: TrackFacts[]; outputs: JobOutput[]; recovered: boolean; figures: Figures | null };
export type Machine = { cpu_percent: number; disk_free_bytes: number | null; disk_left_s: number | null; problems: ApiError[] };
export type Settings = { folder: string; name: string };
export type Snapshot = { seq: number; projects: Projects; rooms: Rooms; room: OpenRoom | null; jobs: Job[]; machine: Machine; settings: Settings };
export type Change =
  | { type: "projects"; projects: Projects }
  | { type: "rooms"; rooms: Rooms }
  | { type: "room"; room: OpenRoom | null }
  | { type: "job"; job: Job }
  | { type: "job_removed"; egress_id: EgressId }
  | { type: "job_figures"; egress_id: EgressId; figures: Figures }
  | { type: "room_figures"; figures: Figures }
  | { type: "machine"; machine: Machine }
  | { type: "settings"; settings: Settings };
export type Numbered = { seq: number; change: Change };
