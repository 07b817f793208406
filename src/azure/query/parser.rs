//! The grammar of queries: by binding powers, as JMESPath's own parser has them, so that what a projection takes in ends
//! where it ends for az.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::Node;
use super::tokens::{self, Token};

/// No query is longer, in bytes: it is taken apart level by level.
const LONGEST: usize = 512;

/// What is weaker ends a projection.
const ENDS_PROJECTION: u8 = 10;

const FLATTEN: u8 = 9;
const STAR: u8 = 20;
const FILTER: u8 = 21;
const DOT: u8 = 40;
const NOT: u8 = 45;

pub(super) fn parse(text: &str) -> Option<Node> {
    if text.len() > LONGEST {
        return None;
    }
    let mut parser = Parser { tokens: tokens::of(text)?.into_iter().peekable() };
    let node = parser.expression(0)?;
    parser.tokens.next().is_none().then_some(node)
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
}

fn boxed(node: Node) -> Box<Node> {
    Box::new(node)
}

fn then(first: Node, second: Node) -> Node {
    Node::Then(boxed(first), boxed(second))
}

/// How strongly a token binds what stands before it.
fn power(token: Option<&Token>) -> u8 {
    match token {
        Some(Token::Pipe) => 1,
        Some(Token::Or) => 2,
        Some(Token::And) => 3,
        Some(Token::Equal | Token::Different) => 5,
        Some(Token::Flatten) => FLATTEN,
        Some(Token::Star) => STAR,
        Some(Token::Filter) => FILTER,
        Some(Token::Dot) => DOT,
        Some(Token::Not) => NOT,
        Some(Token::OpenBrace) => 50,
        Some(Token::OpenBracket) => 55,
        Some(Token::OpenParenthesis) => 60,
        _ => 0,
    }
}

impl Parser {
    fn expression(&mut self, binding: u8) -> Option<Node> {
        let mut left = self.beginning()?;
        while binding < power(self.tokens.peek()) {
            left = self.continuation(left)?;
        }
        Some(left)
    }

    fn take(&mut self, token: &Token) -> Option<()> {
        self.tokens.next_if(|next| next == token).map(drop)
    }

    /// What a token is at the beginning.
    fn beginning(&mut self) -> Option<Node> {
        Some(match self.tokens.next()? {
            Token::Name(name) | Token::QuotedName(name) => Node::Field(name),
            Token::Text(text) => Node::Text(text),
            Token::Bool(value) => Node::Bool(value),
            Token::Nothing => Node::Nothing,
            Token::Filter => self.filter(Node::Identity)?,
            Token::Flatten => {
                let each = self.projected(FLATTEN)?;
                Node::Projection(boxed(Node::Flatten(boxed(Node::Identity))), boxed(each))
            }
            Token::OpenBrace => self.hash()?,
            Token::OpenParenthesis => {
                let node = self.expression(0)?;
                self.take(&Token::CloseParenthesis)?;
                node
            }
            Token::Not => Node::Not(boxed(self.expression(NOT)?)),
            Token::OpenBracket => match self.tokens.peek()? {
                Token::Number(_) => self.index()?,
                Token::Star => self.items(Node::Identity)?,
                _ => self.list()?,
            },
            _ => return None,
        })
    }

    /// What a token is behind `left`.
    fn continuation(&mut self, left: Node) -> Option<Node> {
        Some(match self.tokens.next()? {
            Token::Dot => then(left, self.member(DOT)?),
            Token::Pipe => then(left, self.expression(1)?),
            Token::Or => Node::Or(boxed(left), boxed(self.expression(2)?)),
            Token::And => Node::And(boxed(left), boxed(self.expression(3)?)),
            Token::Equal => Node::Equal(boxed(left), boxed(self.expression(5)?)),
            Token::Different => Node::Different(boxed(left), boxed(self.expression(5)?)),
            Token::Flatten => {
                let each = self.projected(FLATTEN)?;
                Node::Projection(boxed(Node::Flatten(boxed(left))), boxed(each))
            }
            Token::Filter => self.filter(left)?,
            Token::OpenBracket => match self.tokens.peek()? {
                Token::Number(_) => then(left, self.index()?),
                Token::Star => self.items(left)?,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What follows a dot: a name, or what is selected.
    fn member(&mut self, binding: u8) -> Option<Node> {
        match self.tokens.peek()? {
            Token::Name(_) | Token::QuotedName(_) => self.expression(binding),
            Token::OpenBracket => {
                self.tokens.next();
                self.list()
            }
            Token::OpenBrace => {
                self.tokens.next();
                self.hash()
            }
            _ => None,
        }
    }

    /// What a projection takes of each item.
    fn projected(&mut self, binding: u8) -> Option<Node> {
        match self.tokens.peek() {
            next if power(next) < ENDS_PROJECTION => Some(Node::Identity),
            Some(Token::OpenBracket | Token::Filter) => self.expression(binding),
            Some(Token::Dot) => {
                self.tokens.next();
                self.member(binding)
            }
            _ => None,
        }
    }

    /// Behind `[`: a number.
    fn index(&mut self) -> Option<Node> {
        let Token::Number(index) = self.tokens.next()? else { return None };
        self.take(&Token::CloseBracket)?;
        Some(Node::Index(index))
    }

    /// Behind `[`: the star of every item.
    fn items(&mut self, list: Node) -> Option<Node> {
        self.take(&Token::Star)?;
        self.take(&Token::CloseBracket)?;
        let each = self.projected(STAR)?;
        Some(Node::Projection(boxed(list), boxed(each)))
    }

    /// Behind `[?`.
    fn filter(&mut self, list: Node) -> Option<Node> {
        let condition = boxed(self.expression(0)?);
        self.take(&Token::CloseBracket)?;
        let each = match self.tokens.peek() {
            Some(Token::Flatten) => Node::Identity,
            _ => self.projected(FILTER)?,
        };
        Some(Node::Filter { list: boxed(list), condition, each: boxed(each) })
    }

    /// Behind `[`: what is selected into a list.
    fn list(&mut self) -> Option<Node> {
        let mut nodes = vec![self.expression(0)?];
        while self.take(&Token::Comma).is_some() {
            nodes.push(self.expression(0)?);
        }
        self.take(&Token::CloseBracket)?;
        Some(Node::List(nodes))
    }

    /// Behind `{`: what is selected into a hash.
    fn hash(&mut self) -> Option<Node> {
        let mut pairs: Vec<(String, Node)> = Vec::new();
        loop {
            let (Token::Name(key) | Token::QuotedName(key)) = self.tokens.next()? else { return None };
            self.take(&Token::Colon)?;
            let node = self.expression(0)?;
            // The later would be put in the place of the earlier.
            if pairs.iter().any(|(other, _)| *other == key) {
                return None;
            }
            pairs.push((key, node));
            if self.take(&Token::Comma).is_none() {
                break;
            }
        }
        self.take(&Token::CloseBrace)?;
        Some(Node::Hash(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_grammar_is_not_understood() {
        for text in [
            "",
            "[",
            "]",
            "a.",
            ".a",
            "a b",
            "[a",
            "[a,]",
            "{a}",
            "{a:}",
            "{a: b, a: c}",
            "{'a': b}",
            "@",
            "a.*",
            "*",
            "[0:1]",
            "[:]",
            "length(@)",
            "length(a)",
            "a.'b'",
            "a.[0]x",
            "\"a\\n\"",
            "'it\\'s'",
            "`1`",
            "`x`",
            "`\"x`",
            "a = b",
            "a < b",
            "a & b",
            "-",
            "[99999999999999999999]",
            "a[b]",
            "ä",
            "\"a\"(b)",
            "[?a",
            "a ! b",
            "$",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&format!("{}a", "(".repeat(LONGEST))), None);
    }

    #[test]
    fn a_projection_ends_at_a_pipe_and_takes_in_what_binds_more() {
        let field = |name: &str| Node::Field(name.to_owned());
        let items = |each: Node| Node::Projection(boxed(Node::Identity), boxed(each));
        assert_eq!(parse("[*].a[0]").unwrap(), items(then(field("a"), Node::Index(0))));
        assert_eq!(parse("[*].a | [0]").unwrap(), then(items(field("a")), Node::Index(0)));
        assert_eq!(parse("[*].a.b").unwrap(), items(then(field("a"), field("b"))));
        assert_eq!(parse("a == b || c").unwrap(), parse("(a == b) || c").unwrap());
    }
}
