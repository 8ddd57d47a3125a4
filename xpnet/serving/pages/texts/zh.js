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
  "watch.title": "观看训练：{model}",
  "watch.now": "当前训练",
  "watch.progress": "进度",
  "watch.controls": "控制",
  "watch.phase.begins": "即将开始",
  "watch.phase.training": "训练中",
  "watch.phase.validation": "验证中",
  "watch.phase.paused": "已暂停",
  "watch.phase.ends": "即将结束",
  "watch.pausing": "本步结束后暂停……",
  "watch.stopping": "本步结束后停止……",
  "watch.finished": "训练完成",
  "watch.stopped": "提前结束",
  "watch.interrupted": "训练中断",
  "watch.place": "第 {epoch} / {epochs} 轮，第 {batch} / {batches} 步",
  "watch.epoch": "轮次",
  "watch.step": "步数",
  "watch.speed": "样本/秒",
  "watch.time": "用时",
  "watch.left": "预计剩余",
  "watch.pause": "暂停",
  "watch.goOn": "继续",
  "watch.stop": "停止…",
  "watch.sure": "现在结束训练吗？之后照常验证和保存，就像训练已完成一样。",
  "watch.yes": "是，结束",
  "watch.no": "否",
  "watch.rate": "学习率",
  "watch.set": "设置",
  "watch.half": "学习率减半",
  "watch.twice": "学习率加倍",
  "watch.scaled": "原计划的 {factor} 倍",
  "watch.curves": "曲线",
  "watch.axis": "曲线的横轴",
  "watch.bySteps": "按步",
  "watch.byEpochs": "按轮",
  "watch.log": "对数刻度",
  "watch.curvesHint":
    "按步显示时，指标是本轮到目前为止的平均值，损失是当步的值（训练很长时为若干步的平均）。" +
    "把指针移到图上，或在图中按方向键，即可读数。",
  "watch.loss": "损失",
  "watch.accuracy": "准确率",
  "watch.throughput": "吞吐量（样本/秒）",
  "watch.training": "训练",
  "watch.validation": "验证",
  "watch.value": "当前",
  "watch.mark.fit": "训练开始",
  "watch.mark.resumed": "从备份继续",
  "watch.mark.rate": "{name} 由 {before} 改为 {after}",
  "watch.filters": "第一层的滤波器",
  "watch.filtersHint":
    "{name}：共 {filters} 个滤波器，显示 {shown} 个，大小 {height} × {width}。每个滤波器都在整幅图像中寻找自己的图案。",
  "watch.filtersColour":
    "{name}：共 {filters} 个滤波器，显示 {shown} 个，大小 {height} × {width}，颜色与图像相同，灰色为 0。",
  "watch.film": "回看",
  "watch.atStep": "第 {step} 步",
  "watch.live": "第 {step} 步（最新）",
  "watch.mistakes": "分类错误的图像",
  "watch.mistakesAll": "第 {epoch} 轮之后：检查了 {looked} 幅验证图像，{wrong} 幅分错，最有把握的错误在前。",
  "watch.mistakesSome": "第 {epoch} 轮之后：检查了 {looked} 幅验证图像，{wrong} 幅分错；这里是最有把握的 {shown} 幅。",
  "watch.mistake": "{label}，误认为 {answer}（{sure}%）",
  "watch.histograms": "权重与梯度",
  "watch.part": "显示哪些参数",
  "watch.histogramsHint":
    "第 {step} 步，从最小值到最大值；竖线为 0，σ 为标准差。梯度取自裁剪之前；大数组只统计均匀抽取的样本。",
  "watch.weights": "权重",
  "watch.gradients": "梯度",
  "watch.none": "暂无",
  "watch.bad": "{what}：{bad} 个不是有限数",
  "watch.gone": "训练已经结束，提供本页的进程也已退出。您看到的是最终结果。",
  // ---- end of watch.*
};
