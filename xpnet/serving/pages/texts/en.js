// Every text of the pages in English; zh.js has the same keys. {name} is filled in.

export const en = {
  // ---- around every page
  "frame.pages": "Pages",
  "frame.skip": "Skip to the content",
  "frame.digit": "Draw a digit",
  "frame.playground": "Playground",
  "frame.watch": "Watch a training",
  "frame.language": "Language",
  "frame.dark": "Dark",
  "frame.closed": "The server does not answer. Is xpnet still running? This page tries again by itself.",
  "frame.refused": "The server has ended the connection: {why}",

  // ---- the first page
  "start.title": "See a neural network work",
  "start.what": "All that these pages show is computed on this machine, by xpnet, while you look.",
  "start.digit": "Draw a digit, let a network read it, and look at what every one of its layers makes of it.",
  "start.playground": "Build a small network, train it on points in the plane, and watch its neurons find their shapes.",

  // ---- draw a digit (digit.*)

  // ---- end of digit.*

  // ---- playground (playground.*)

  // ---- end of playground.*

  // ---- watch a training (watch.*)

  // ---- end of watch.*
};
