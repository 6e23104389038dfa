//! A small DDI server without a network: one device, one action at a time.

use serde_json::{Value, json};

use crate::world::{digest, hex};

/// What the server offers.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) id: u64,
    pub(crate) version: String,
    pub(crate) image: Vec<u8>,
    pub(crate) sha256: [u8; 32],
    /// Whether the server announces it.
    pub(crate) announced: bool,
    pub(crate) download: &'static str,
    pub(crate) update: &'static str,
    pub(crate) deadline_s: u32,
    /// 0: the deployment does not say.
    pub(crate) trials: u32,
}

impl Offer {
    pub(crate) fn new(id: u64, version: &str, image: &[u8]) -> Self {
        Self {
            id,
            version: version.into(),
            image: image.to_vec(),
            sha256: digest(image),
            announced: true,
            download: "forced",
            update: "forced",
            deadline_s: 60,
            trials: 1,
        }
    }
}

/// How the server answers a request for a part of the artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// 206 with the part.
    Served,
    /// 200 with everything.
    Ignored,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

/// One feedback as the server understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) action: u64,
    pub(crate) execution: String,
    pub(crate) finished: String,
    pub(crate) code: u64,
    pub(crate) details: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) base: String,
    pub(crate) offer: Option<Offer>,
    /// Whether the operator wants the action cancelled.
    pub(crate) canceling: bool,
    pub(crate) ranges: Ranges,
    pub(crate) config_wanted: bool,
    pub(crate) sleep: String,
    pub(crate) feedback: Vec<Posted>,
    /// Answers to cancels: action, execution.
    pub(crate) cancel_answers: Vec<(u64, String)>,
    pub(crate) config: Vec<Value>,
    pub(crate) served: Vec<(String, String)>,
    pub(crate) etags: bool,
}

impl Cloud {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            base: base.into(),
            offer: None,
            canceling: false,
            ranges: Ranges::Served,
            config_wanted: false,
            sleep: "00:00:10".into(),
            feedback: Vec::new(),
            cancel_answers: Vec::new(),
            config: Vec::new(),
            served: Vec::new(),
            etags: true,
        }
    }

    /// The path of this device.
    fn root(&self) -> &str {
        let at = self.base.find("/T/").expect("the base has a path");
        &self.base[at..]
    }

    pub(crate) fn serve(&mut self, request: &Request) -> Reply {
        self.served
            .push((request.method.clone(), request.path.clone()));
        let path = request.path.split('?').next().unwrap_or_default();
        let Some(rest) = path.strip_prefix(self.root()) else {
            return Reply::status(404);
        };
        let rest = rest.to_owned();
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", []) => self.poll(request),
            ("PUT", ["configData"]) => {
                self.config_wanted = false;
                self.config
                    .push(serde_json::from_slice(&request.body).unwrap());
                Reply::status(200)
            }
            ("GET", ["deploymentBase", id]) => self.deployment(id),
            ("POST", ["deploymentBase", id, "feedback"]) => self.feedback(id, &request.body),
            ("GET", ["cancelAction", id]) if self.canceling => {
                let body = json!({"id": id, "cancelAction": {"stopId": id}});
                document(&body)
            }
            ("POST", ["cancelAction", id, "feedback"]) => self.canceled(id, &request.body),
            ("GET", ["artifact", id]) => self.artifact(id, request),
            _ => Reply::status(404),
        }
    }

    fn is_active(&self, id: &str) -> bool {
        self.offer
            .as_ref()
            .is_some_and(|offer| offer.id.to_string() == id)
    }

    fn poll(&self, request: &Request) -> Reply {
        let base = &self.base;
        let mut links = serde_json::Map::new();
        if let Some(offer) = &self.offer {
            let id = offer.id;
            if self.canceling {
                links.insert(
                    "cancelAction".into(),
                    json!({"href": format!("{base}/cancelAction/{id}")}),
                );
            } else {
                links.insert(
                    "deploymentBase".into(),
                    json!({"href": format!("{base}/deploymentBase/{id}?c=1")}),
                );
            }
        }
        if self.config_wanted {
            links.insert(
                "configData".into(),
                json!({"href": format!("{base}/configData")}),
            );
        }
        let body = json!({"config": {"polling": {"sleep": self.sleep}}, "_links": links});
        let mut reply = document(&body);
        if self.etags {
            let tag = format!("\"{:08x}\"", otaru_flash::crc32(&reply.body));
            if request.header("If-None-Match") == Some(tag.as_str()) {
                return Reply::status(304);
            }
            reply.headers.push(("ETag", tag));
        }
        reply
    }

    fn deployment(&self, id: &str) -> Reply {
        let Some(offer) = self.offer.as_ref().filter(|_| self.is_active(id)) else {
            return Reply::status(404);
        };
        if self.canceling {
            return Reply::status(404);
        }
        let base = &self.base;
        let hex = hex(&offer.sha256);
        let mut metadata =
            vec![json!({"key": "otaru.deadline_s", "value": offer.deadline_s.to_string()})];
        if offer.trials > 0 {
            metadata.push(json!({"key": "otaru.trials", "value": offer.trials.to_string()}));
        }
        document(&json!({"id": id, "deployment": {
            "download": offer.download,
            "update": offer.update,
            "chunks": [{"part": "bApp", "name": "counter", "version": offer.version,
                "metadata": metadata,
                "artifacts": [{"filename": "counter.img", "size": offer.image.len(),
                    "hashes": {(if offer.announced { "sha256" } else { "sha1" }): hex},
                    "_links": {"download-http": {"href": format!("{base}/artifact/{id}")}}}]}]}}))
    }

    fn feedback(&mut self, id: &str, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).expect("feedback is JSON");
        let status = &body["status"];
        let posted = Posted {
            action: id.parse().unwrap(),
            execution: status["execution"].as_str().unwrap().into(),
            finished: status["result"]["finished"].as_str().unwrap().into(),
            code: status["code"].as_u64().unwrap(),
            details: status["details"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line.as_str().unwrap().to_owned())
                .collect(),
        };
        if !self.is_active(id) {
            return Reply::status(410);
        }
        if posted.execution == "closed" {
            self.offer = None;
            self.canceling = false;
        }
        self.feedback.push(posted);
        Reply::status(200)
    }

    fn canceled(&mut self, id: &str, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).expect("feedback is JSON");
        let execution = body["status"]["execution"].as_str().unwrap().to_owned();
        if !self.is_active(id) || !self.canceling {
            return Reply::status(405);
        }
        self.canceling = false;
        if execution == "closed" {
            self.offer = None;
        }
        self.cancel_answers.push((id.parse().unwrap(), execution));
        Reply::status(200)
    }

    fn artifact(&self, id: &str, request: &Request) -> Reply {
        let Some(offer) = self.offer.as_ref().filter(|_| self.is_active(id)) else {
            return Reply::status(404);
        };
        let tag = format!("\"{:08x}\"", otaru_flash::crc32(&offer.image));
        let total = offer.image.len();
        let unchanged = request.header("If-Range").is_none_or(|given| given == tag);
        let range = request
            .header("Range")
            .and_then(|range| range.strip_prefix("bytes="))
            .and_then(|range| range.split_once('-'))
            .map(|(from, to)| (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap()));
        let mut reply = Reply::status(200);
        reply.headers.push(("ETag", tag));
        match range {
            Some((from, _)) if from >= total => reply.status = 416,
            Some((from, to)) if unchanged && self.ranges == Ranges::Served => {
                let to = to.min(total - 1);
                reply.status = 206;
                reply
                    .headers
                    .push(("Content-Range", format!("bytes {from}-{to}/{total}")));
                reply.body = offer.image[from..=to].to_vec();
            }
            _ => reply.body.clone_from(&offer.image),
        }
        reply
    }

    /// Codes of the feedback to this action, in order.
    pub(crate) fn codes(&self, action: u64) -> Vec<u64> {
        let of_action = self
            .feedback
            .iter()
            .filter(|posted| posted.action == action);
        of_action.map(|posted| posted.code).collect()
    }

    /// How the action was closed: `success`, or the reason's name in the line for machines.
    pub(crate) fn closed(&self, action: u64) -> Option<&Posted> {
        self.feedback
            .iter()
            .find(|posted| posted.action == action && posted.execution == "closed")
    }
}

fn document(body: &Value) -> Reply {
    Reply {
        status: 200,
        headers: vec![("Content-Type", "application/json".into())],
        body: body.to_string().into_bytes(),
    }
}
