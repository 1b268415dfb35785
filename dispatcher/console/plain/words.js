// Every word the page says, in Chinese and English. Codes of the API that have no word here are shown as they are.

const WORDS = {
  skip: ["跳到呼叫列表", "Skip to the calls"],
  leave: ["退出", "Leave"],
  language: ["English", "中文"],
  docs: ["接口文档", "API documentation"],
  demo_messages: ["演示收件箱", "Messages of the demo"],
  login_title: ["进入工作台", "Enter the console"],
  login_token: ["访问令牌", "Access token"],
  login_enter: ["进入", "Enter"],
  login_hint: ["由管理员用 yijian token create 生成。仅保存在本标签页。", "Made by your administrator with `yijian token create`. Kept in this tab only."],
  login_wrong: ["令牌无效或已停用", "Nobody is known by this token"],
  link_on: ["实时连接正常", "Live"],
  link_off: ["连接中断，正在重连", "Connection lost, trying again"],
  link_wait: ["正在连接", "Connecting"],
  banner_off: ["连接中断：以下内容可能已过时，正在重连。请同时留意电话。", "Connection lost: what you see may be out of date. Trying again. Mind the telephone too."],
  banner_clock: ["本机时钟不准，与服务器相差 {n} 秒；倒计时按服务器时间显示。", "This computer's clock is off by {n} s; countdowns go by the server's."],
  empty: ["当前没有未办结的呼叫", "No open call"],
  lane_emergency: ["紧急求救", "Emergency"],
  lane_service: ["服务求助", "Service"],
  lane_family: ["亲情", "Family"],
  lane_test: ["测试", "Test"],
  state_received: ["待受理", "Waiting"],
  state_accepted: ["已受理", "Accepted"],
  state_en_route: ["已出发", "On the way"],
  state_on_scene: ["已到达", "On scene"],
  state_closed: ["已办结", "Closed"],
  kind_fall: ["跌倒", "Fall"],
  kind_inactivity: ["长时间无活动", "No movement"],
  kind_hazard: ["烟感、燃气、水浸", "Fire, gas or water"],
  kind_manual: ["电话来电", "By telephone"],
  presses: ["按键 {n} 次", "Pressed {n} times"],
  again: ["又按了一次", "Pressed again"],
  cancel: ["老人按了取消键：请核实，不会自动结束", "The cancel key was pressed: please check, nothing ends by itself"],
  unknown_person: ["未登记的设备或来电人", "Not in the register"],
  hidden_person: ["本单位可见范围外", "Outside your scope"],
  due_step: ["下一级次", "Next step"],
  due_en_route_within: ["应出发", "To set out"],
  due_repress_within: ["应答复再次按键", "To answer the further press"],
  due_arrive_goal: ["应到达", "To arrive"],
  due_arrive_limit: ["到达时限", "Arrival limit"],
  due_close_within: ["应办结", "To close"],
  overdue: ["已超时", "overdue"],
  since: ["已等待", "Open for"],
  holder: ["受理", "Held by"],
  asked: ["已派单", "Asked"],
  passed: ["未派的较近站点", "Nearer ones passed over"],
  offer_offered: ["等待答复", "asked"],
  offer_accepted: ["已受理", "accepted"],
  offer_declined: ["已拒", "declined"],
  offer_expired: ["已失效", "no longer able"],
  offer_withdrawn: ["已撤回", "withdrawn"],
  times: ["第 {n} 次", "{n} times"],
  minutes: ["约 {n} 分钟", "about {n} min"],
  why_nearest: ["最近且可出动", "nearest able"],
  why_next: ["次近", "next nearest"],
  why_next_tier: ["上一级", "next tier"],
  why_district: ["区级值班台", "district desk"],
  why_everyone: ["全员", "everyone"],
  why_transfer: ["转派", "transfer"],
  why_contacts: ["紧急联系人", "contact"],
  why_volunteers: ["志愿者", "volunteer"],
  why_nobody_else: ["其他均不可出动", "nobody else is able"],
  why_place_unknown: ["位置不明", "place unknown"],
  why_by_area: ["位置未知，按片区", "no place known, by area"],
  why_on_call: ["听班", "on call"],
  why_closed: ["未营业", "closed"],
  why_temporarily_closed: ["临时关闭", "temporarily closed"],
  why_full: ["已满", "full"],
  why_nobody_on_duty: ["无人值守", "nobody on duty"],
  why_declined: ["已拒单", "declined"],
  why_unreachable: ["无法到达", "unreachable"],
  relation_daughter: ["女儿", "daughter"],
  relation_son: ["儿子", "son"],
  relation_daughter_in_law: ["儿媳", "daughter-in-law"],
  relation_son_in_law: ["女婿", "son-in-law"],
  relation_spouse: ["配偶", "spouse"],
  relation_grandchild: ["孙辈", "grandchild"],
  relation_niece: ["侄女、外甥女", "niece"],
  relation_neighbour: ["邻居", "neighbour"],
  relation_friend: ["朋友", "friend"],
  spoke_answered: ["已通话：有应答", "Spoke: answered"],
  spoke_no_answer: ["已通话：无应答", "Telephoned: no answer"],
  desk: ["区级值班台", "District desk"],
  do_accept: ["受理", "Accept"],
  do_decline: ["拒单", "Decline"],
  do_release: ["退回", "Give back"],
  "do_spoke-answered": ["通话有应答", "Spoke: answered"],
  "do_spoke-no-answer": ["通话无应答", "No answer"],
  "do_en-route": ["出发", "On the way"],
  "do_on-scene": ["到达", "On scene"],
  do_close: ["办结", "Close"],
  do_transfer: ["转派", "Transfer"],
  do_note: ["备注", "Note"],
  ask_reason: ["原因", "Reason"],
  ask_note: ["备注", "Note"],
  ask_station: ["转派到", "Send to"],
  ask_outcome: ["处置结果", "Outcome"],
  ask_evidence: ["依据", "Evidence"],
  ask_of: ["与哪个呼叫重复（编号）", "Duplicate of (call id)"],
  choose: ["请选择", "Choose"],
  none: ["无", "None"],
  ok: ["确定", "Confirm"],
  back: ["返回", "Back"],
  outcome_helped: ["已帮助", "Helped"],
  outcome_hospital: ["已送医", "Taken to hospital"],
  outcome_false_alarm: ["误报", "False alarm"],
  outcome_service_done: ["服务完成", "Service done"],
  outcome_test: ["测试", "Test"],
  outcome_no_contact: ["未联系上", "No contact"],
  outcome_duplicate: ["重复", "Duplicate"],
  outcome_other: ["其他", "Other"],
  evidence_spoke_to_resident: ["与老人本人通话", "Spoke to the resident"],
  evidence_on_site: ["现场确认", "On site"],
  evidence_relative_confirmed: ["家属确认", "A relative confirmed"],
  done: ["已记录：{step}", "Done: {step}"],
  refused: ["未能执行：{why}", "Not done: {why}"],
  refused_now: ["未能执行，当前状态“{state}”：{why}", "Not done, the call is \"{state}\": {why}"],
  later: ["系统暂时无法确认，正在重试", "Not confirmed yet, trying again"],
  not_sent: ["没有发出：连接中断。请再试一次，或改用电话。", "Not sent: the connection is lost. Try again, or use the telephone."],
};

const KEPT = "yijian.language";
let place = 0;

export function startLanguage() {
  let kept = null;
  try { kept = localStorage.getItem(KEPT); } catch { /* storage may be forbidden: then by the browser */ }
  const wanted = kept || (navigator.languages || [navigator.language]).find((tag) => /^(zh|en)/i.test(tag)) || "zh";
  setLanguage(/^en/i.test(wanted) ? "en" : "zh");
}

export function setLanguage(language) {
  place = language === "en" ? 1 : 0;
  document.documentElement.lang = place ? "en" : "zh-CN";
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = say(element.dataset.word);
}

export function switchLanguage() {
  const language = place ? "zh" : "en";
  try { localStorage.setItem(KEPT, language); } catch { /* as above */ }
  setLanguage(language);
}

export function say(word, values = {}) {
  const pair = WORDS[word];
  if (!pair) return word;
  return pair[place].replace(/\{(\w+)\}/g, (_whole, name) => values[name] ?? "");
}

// The word of a code (`why_full`), or the code itself where there is none.
export function sayCode(kind, code) {
  return WORDS[`${kind}_${code}`] ? say(`${kind}_${code}`) : String(code).replaceAll("_", " ");
}

// Reasons may be several at once: `nearest+by_area`.
export function sayReason(reason) {
  return String(reason).split("+").map((code) => sayCode("why", code)).join(" · ");
}

export const numbers = () => (place ? "en" : "zh-CN");
