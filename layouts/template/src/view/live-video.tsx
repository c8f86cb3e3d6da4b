import type { RemoteVideoTrack, Track } from "livekit-client";
import { useEffect, useRef } from "react";

interface Props {
  track: Track | RemoteVideoTrack | undefined;
  /** A picture of this track is there. */
  onDrawn: () => void;
}

/** A track's moving picture. Sound is played elsewhere. */
export function LiveVideo({ track, onDrawn }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const told = useRef(onDrawn);
  useEffect(() => {
    told.current = onDrawn;
  }, [onDrawn]);
  useEffect(() => {
    const element = video.current;
    if (!element || !track) return;
    // Not a frame callback: those wait for the page to be seen, and a recorder's page may not be.
    const look = () => {
      if (element.videoWidth > 0) told.current();
    };
    element.addEventListener("loadeddata", look);
    element.addEventListener("resize", look);
    track.attach(element);
    look();
    return () => {
      element.removeEventListener("loadeddata", look);
      element.removeEventListener("resize", look);
      track.detach(element);
    };
  }, [track]);
  return <video ref={video} muted playsInline autoPlay disablePictureInPicture />;
}
