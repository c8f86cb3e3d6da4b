import type { Track } from "livekit-client";
import { useEffect, useRef } from "react";
import type { Shape } from "../place/fit";

interface Props {
  track: Track | undefined;
  /** A picture of this track is there, or is of another shape than the one before. */
  onDrawn: (shape: Shape) => void;
}

/** A track's moving picture. Sound is played elsewhere. */
export function LiveVideo({ track, onDrawn }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const attached = useRef<Track>(undefined);
  const told = useRef(onDrawn);
  useEffect(() => {
    told.current = onDrawn;
  }, [onDrawn]);
  useEffect(() => {
    const element = video.current;
    // Without a track the last picture stays: somebody who has left is seen until their tile is gone.
    if (!element || !track) return;
    // Not a frame callback: those wait for the page to be seen, and a recorder's page may not be.
    const look = () => {
      const { videoWidth: width, videoHeight: height } = element;
      if (width > 0) told.current({ width, height });
    };
    element.addEventListener("loadeddata", look);
    element.addEventListener("resize", look);
    if (attached.current !== track) {
      attached.current?.detach(element);
      attached.current = track;
      track.attach(element);
    }
    look();
    return () => {
      element.removeEventListener("loadeddata", look);
      element.removeEventListener("resize", look);
    };
  }, [track]);
  useEffect(() => {
    const element = video.current;
    return () => {
      if (element) attached.current?.detach(element);
      attached.current = undefined;
    };
  }, []);
  return <video ref={video} muted playsInline autoPlay disablePictureInPicture />;
}
