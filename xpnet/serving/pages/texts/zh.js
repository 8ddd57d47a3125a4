// 页面的全部中文文字；键与 en.js 相同，{name} 会被替换。

export const zh = {
  // ---- 每个页面共有
  "frame.pages": "页面",
  "frame.skip": "跳到正文",
  "frame.digit": "手写数字",
  "frame.playground": "游乐场",
  "frame.watch": "观看训练",
  "frame.language": "语言",
  "frame.dark": "深色",
  "frame.closed": "服务器没有响应。xpnet 还在运行吗？页面会自动重试。",
  "frame.refused": "服务器结束了连接：{why}",

  // ---- 首页
  "start.title": "看神经网络如何工作",
  "start.what": "页面上显示的一切都由 xpnet 在这台机器上实时计算。",
  "start.digit": "写一个数字，让网络来读，再看每一层把它变成了什么。",
  "start.playground": "搭一个小网络，用平面上的点训练它，看神经元如何找到形状。",

  // ---- 手写数字 (digit.*)

  // ---- end of digit.*

  // ---- 游乐场 (playground.*)

  // ---- end of playground.*

  // ---- 观看训练 (watch.*)

  // ---- end of watch.*
};
